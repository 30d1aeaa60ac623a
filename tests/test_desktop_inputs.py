"""Mouse and keyboard of a desktop: what apps get of each action, and any text exactly."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest

from agentgym.action import Action, Click, Done, Drag, Fill, Hover, Press, Scroll, Select, Type, Wait
from agentgym.observation import NOWHERE
from agentgym_desktop.inputs import Spot
from agentgym_desktop.keys import MODIFIERS, NAMED
from agentgym_desktop.windows import Window
from tests.desktop_screen import Screen, Witness, running

if TYPE_CHECKING:
    from collections.abc import Iterator


SCRIPTS = (
    "Hello, World! ~`@#$%^&*()_+-={}|[]\\:\";'<>?,./\n"
    "Äöü ß é ñ ł ő · Ωμέγα · Привет · שלום · مرحبا · 你好世界 · こんにちは · 한국어 · e\u0301 · 🎉🙂\n"
    "€£¥ “q” \u2013 — …\tTab\nend"
)


@pytest.fixture(scope="module")
def desktop() -> Iterator[Screen]:
    with running() as started:
        yield started


@pytest.fixture(scope="module")
def editor(desktop: Screen) -> Window:
    return desktop.open("mousepad", "--disable-server")[1]


@pytest.fixture
def witness(desktop: Screen) -> Iterator[Witness]:
    started = Witness(desktop)
    yield started
    started.close()


def text_of(desktop: Screen) -> str | None:
    desktop.act(Press("Control+a"), Press("Control+c"))
    return desktop.clipboard.read()


def test_a_click_moves_presses_and_releases(desktop: Screen, witness: Witness) -> None:
    desktop.act(Click(x=300, y=200, button="right"))
    assert witness.heard() == [("move", 0, 300, 200), ("down", 3, 300, 200), ("up", 3, 300, 200)]


def test_an_element_is_clicked_where_it_is(desktop: Screen, witness: Witness) -> None:
    desktop.act(Click(7), spots={7: Spot(41, 42)})
    assert witness.heard()[1:] == [("down", 1, 41, 42), ("up", 1, 41, 42)]


def test_clicks_of_one_action_are_a_double_click_and_those_of_two_actions_are_not(
    desktop: Screen, witness: Witness
) -> None:
    desktop.act(Click(x=50, y=60, count=2))
    started = time.monotonic()
    desktop.act(Click(x=52, y=61))
    assert time.monotonic() - started > 0.2  # longer than apps take for a double click
    assert [kind for kind, *_ in witness.heard()].count("down") == 3


def test_hovering_only_moves(desktop: Screen, witness: Witness) -> None:
    desktop.act(Hover(x=11, y=22))
    assert witness.heard() == [("move", 0, 11, 22)]


def test_a_drag_moves_on_the_way_with_the_button_down(desktop: Screen, witness: Witness) -> None:
    desktop.act(Drag(x=100, y=100, to_x=300, to_y=200))
    events = witness.heard()
    kinds = [kind for kind, *_ in events]
    down, up = kinds.index("down"), kinds.index("up")
    assert events[down][2:] == (100, 100)
    assert events[up][2:] == (300, 200)
    way = [event[2:] for event in events[down + 1 : up]]
    assert len(way) >= 5
    assert way == sorted(way)


def test_the_wheel_turns_a_click_for_so_many_pixels_and_at_least_one(desktop: Screen, witness: Witness) -> None:
    desktop.act(Scroll(0, 101, x=9, y=9), Scroll(0, -10, x=9, y=9), Scroll(-60, 0, x=9, y=9))
    assert [event[1] for event in witness.heard() if event[0] == "down"] == [5, 5, 5, 4, 6, 6]


def test_scrolling_nowhere_in_particular_is_over_the_active_window(desktop: Screen, editor: Window) -> None:
    witness = Witness(desktop, focus=False)
    assert desktop.windows.focus(editor.id)
    desktop.act(Scroll(0, 10))
    box = editor.box
    assert witness.heard()[0] == ("move", 0, box.x + box.width // 2, box.y + box.height // 2)
    witness.close()


def test_a_chord_holds_its_modifiers_around_the_key(desktop: Screen, witness: Witness) -> None:
    desktop.act(Press("Control+Shift+ArrowDown"))
    heard = [(kind, witness.symbol(key)) for kind, key, *_ in witness.heard()]
    control, shift, down = MODIFIERS["Control"], MODIFIERS["Shift"], NAMED["ArrowDown"]
    pressed = [("press", control), ("press", shift), ("press", down)]
    assert heard == pressed + [("release", symbol) for _, symbol in reversed(pressed)]


def test_every_named_key_is_pressed(desktop: Screen, witness: Witness) -> None:
    desktop.act(*(Press(name) for name in NAMED))
    pressed = [witness.symbol(key) for kind, key, *_ in witness.heard() if kind == "press"]
    assert pressed == list(NAMED.values())


def test_a_letter_with_control_is_its_key_whatever_its_case(desktop: Screen, witness: Witness) -> None:
    desktop.act(Press("Control+A"), Press("Control++"))
    pressed = [witness.symbol(key) for kind, key, *_ in witness.heard() if kind == "press"]
    control, shift = MODIFIERS["Control"], MODIFIERS["Shift"]
    assert pressed == [control, ord("a"), control, shift, ord("=")]  # + is above =


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (Click(5), "[5] is not on screen."),
        (Click(6), "[6] is not on screen."),
        (Click(x=1280, y=0), "click: the point 1280, 0 is outside of the screen of 1280x720 pixels."),
        (Press("Enterr"), "press: no key 'Enterr'; write a character or one of Enter"),
        (Press("Ctrl+a"), "press: 'Ctrl' is no modifier; use Alt, Control, Meta, Shift."),
        (Type("a\x07b"), "type: no key writes the control character '\\x07'."),
        (Fill(1, "a"), "[1] is not a field that text can be written into."),
        (Fill(2, "a"), "[2] is disabled or cannot be changed."),
        (Fill(3, "\x00"), "type: no key writes the control character '\\x00'."),
        (Select(3, "Red"), "[3] has no such option."),
    ],
)
def test_what_cannot_be_done_is_told_and_nothing_is_pressed(
    desktop: Screen, witness: Witness, action: Action, error: str
) -> None:
    spots = {
        1: Spot(10, 10, "button"),
        2: Spot(10, 10, "textbox", ("readonly",)),
        3: Spot(10, 10, "listbox"),
        6: Spot(2000, 10),
    }
    assert desktop.inputs.perform(action, spots).startswith(error)
    assert witness.heard() == []


def test_an_option_that_shows_once_its_list_is_open_is_clicked(desktop: Screen, witness: Witness) -> None:
    asked = []

    def option(element: int, label: str) -> Spot | None:
        asked.append((element, label))
        return Spot(70, 80) if len(asked) == 2 else None

    assert desktop.inputs.perform(Select(4, "Red"), {4: Spot(30, 40, "combobox")}, option=option) == ""
    assert asked == [(4, "Red")] * 2
    assert [event[2:] for event in witness.heard() if event[0] == "down"] == [(30, 40), (70, 80)]


def test_waiting_takes_its_time_and_being_done_takes_none(desktop: Screen) -> None:
    started = time.monotonic()
    assert desktop.inputs.perform(Wait(120), {}) == ""
    assert time.monotonic() - started >= 0.12
    assert desktop.inputs.perform(Done(), {}) == ""


def test_a_long_text_for_an_app_that_misses_keys_has_its_bound(
    desktop: Screen, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentgym_desktop.inputs.REPEATS_BOUND_S", 0.3)
    window = Window(witness.window, "", "Galculator", NOWHERE, NOWHERE, active=True)
    monkeypatch.setattr(type(desktop.windows), "active", window)
    started = time.monotonic()
    assert desktop.inputs.perform(Type("1" * 1000), {}) == ""
    assert time.monotonic() - started < 0.05 * 1000  # less than half of what 999 pauses take
    assert [event[0] for event in witness.heard()].count("press") == 1000


@pytest.mark.usefixtures("editor")
def test_text_of_any_script_arrives_exactly(desktop: Screen) -> None:
    desktop.act(Click(x=640, y=400), Press("Control+a"), Type(SCRIPTS))
    assert text_of(desktop) == SCRIPTS


@pytest.mark.usefixtures("editor")
def test_more_characters_than_there_are_spare_keys_arrive_exactly(desktop: Screen) -> None:
    text = "".join(chr(0x4E00 + n) for n in range(260)) + "abc" + "".join(chr(0x0400 + n) for n in range(64))
    desktop.act(Click(x=640, y=400), Press("Control+a"), Type(text))
    assert text_of(desktop) == text


@pytest.mark.usefixtures("editor")
def test_a_field_is_filled_with_short_long_and_no_text(desktop: Screen) -> None:
    spots = {3: Spot(640, 400, "textbox")}
    for text in ("short", "long ä\n" * 100, ""):
        desktop.clipboard.write("kept")
        desktop.act(Fill(3, text), spots=spots)
        assert desktop.clipboard.read() == "kept"  # long text is pasted, and the clipboard is as before
        desktop.clipboard.write("nothing to copy")
        assert text_of(desktop) == (text or "nothing to copy")


def test_a_drag_moves_a_window_by_its_title_bar_and_marks_text(desktop: Screen, editor: Window) -> None:
    assert desktop.windows.focus(editor.id)
    box = next(window for window in desktop.windows.list() if window.id == editor.id).box
    x, y = box.x + box.width // 3, box.y - 8
    desktop.act(Drag(x=x, y=y, to_x=x + 60, to_y=y + 40))
    assert desktop.windows.wait(
        lambda windows: any(each.box == box._replace(x=box.x + 60, y=box.y + 40) for each in windows), 5.0
    )
    desktop.act(Click(x=640, y=400), Press("Control+a"), Type("marked\n" * 8))
    left, line = box.x + 60 + 10, box.y + 40 + 60  # within the text
    desktop.act(Drag(x=left, y=line, to_x=left + 300, to_y=line + 40), Press("Control+c"))
    marked = desktop.clipboard.read()
    assert marked
    assert set(marked) == set("marked\n")
    assert len(marked) < 56


def test_text_of_any_script_arrives_in_a_terminal(desktop: Screen) -> None:
    child, _ = desktop.open("xterm", "-e", "cat > typed")
    desktop.act(Type(SCRIPTS + "\n"), Press("Control+d"))
    assert child.wait(10.0) == 0
    assert desktop.sandbox.read("/home/user/typed", max_bytes=10_000).decode() == SCRIPTS + "\n"


def test_typing_and_cells_work_in_a_spreadsheet(desktop: Screen) -> None:
    _, window = desktop.open("localc", "--norestore", "--nologo", "--nofirststartwizard")
    assert desktop.windows.wait(lambda windows: any("Calc" in each.title for each in windows), 60.0)
    for _ in itertools.takewhile(lambda _: not desktop.settling.settle(bound_s=5.0), range(6)):
        pass
    desktop.act(Press("Control+Home"))
    for text in ("Zahl ä 你", "17"):
        desktop.act(Type(text), Press("Enter"))
    desktop.act(Press("Control+Home"), Press("Shift+ArrowDown"), Press("Control+c"))
    assert desktop.clipboard.read() == "Zahl ä 你\n17\n"
    assert window.app.startswith(("libreoffice", "Soffice", "soffice"))
