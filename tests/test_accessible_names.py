"""Roles and names by the accessibility rules: the observer says what Chromium says, but for what is listed here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from agentgym import registry
from agentgym.look import Look
from agentgym_browser.world import BrowserWorld
from tests.accessible_cases import CONTROLS, DOT, HIDDEN, PLACES, SVG
from tests.browser_page import PageTask, find, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Chromium's internal words for what ARIA has another word for, or none.
SAME_ROLE = {
    "image": "img", "DisclosureTriangle": "button", "ColorWell": "color", "Date": "date", "InputTime": "time",
}  # fmt: skip
DELIBERATE = {
    "datetime": ("datetime", "Moment", "what the field takes: Chromium says DateTime of three kinds of field"),
    "month": ("month", "Month", "as above"),
    "week": ("week", "Week", "as above"),
    "file": ("file", "Upload", "a button, but one that wants a file"),
    "list of suggestions": ("textbox", "Town", "it is filled by typing; select() takes a closed list"),
    "for hidden label": ("textbox", "Title", "a label that is not shown counts as none; by accname the title is next"),
    "role generic": ("button", "Focusable", "it can be pressed, whatever it says of itself"),
    "figure": ("figure", "Growth", "HTML-AAM names a figure by its caption; Chromium leaves it out"),
    "table label": ("table", "Costs", "Chromium guesses that a table without headers is there for the layout"),
}
# What can be acted on or read and has no role by the rules.
BEYOND = {
    "handler": ("<div @ onclick='1'>Open</div>", ("clickable", "Open"), "answers clicks"),
    "pointer": ("<div @ style='cursor: pointer'>Open</div>", ("clickable", "Open"), "says by its pointer that it does"),
    "focusable": ("<div @ tabindex=0>Open</div>", ("clickable", "Open"), "the keyboard reaches it"),
    "no href": ("<a @ onclick='1'>Open</a>", ("link", "Open"), "looks and acts like one"),
    "editable": ("<div @ contenteditable aria-label=Note>x</div>", ("textbox", "Note"), "takes text"),
    "text": ("<p @>Words</p>", ("text", "Words"), "Chromium's StaticText, with its element's id"),
    "label": ("<label @>Words</label>", ("text", "Words"), "a label of no control is text"),
    "box": ("<div @ style='width: 9px; height: 9px; background: red'></div>", ("box", "red"), "is seen"),
    "icon": ("<i @ class=cog style='display: block; width: 9px; height: 9px; background: url(data:,)'></i>",
             ("icon", "cog"), "drawn by a style sheet"),
    "shape": (f"{SVG}>{DOT.replace('<circle', '<circle @ fill=red')}", ("graphic", "red circle"), "is a shape"),
    "canvas": ("<canvas @ width=9 height=9></canvas>", ("canvas", ""), "a picture that scripts draw"),
    "icon font": ("<style>.f::before { content: '\\e001' }</style><button @ class=f>Save</button>", ("button", "Save"),
                  "private characters are drawings, no words"),
    "card": ("<div @ onclick='1'>Card <button>Buy</button></div>", ("clickable", "Card"), "its button has a name, too"),
    "bar": ("<div @ role=tablist><b role=tab>One</b></div>", ("tablist", "One"), "without a label: told by its text"),
    "drawing": (f"<button @ id=tool>{SVG}>{DOT}</button>", ("button", "tool"), "a drawing alone: its id and classes"),
}  # fmt: skip


class Told(NamedTuple):
    role: str
    name: str


class Page(NamedTuple):
    """What is said of the cases of a page, by their keys."""

    ours: dict[str, Told]
    chromiums: dict[str, Told]
    tree: list[str]


@pytest.fixture(scope="module")
def world() -> Iterator[BrowserWorld]:
    with registry.make_world("browser", look=Look(frozenset({"elements", "tree"}))) as world:
        assert isinstance(world, BrowserWorld)
        yield world


def read_page(world: BrowserWorld, cases: Mapping[str, str]) -> Page:
    """Show all cases on one page, and ask both."""
    body = "".join(f"<div>{html.replace('@', f'data-case={json.dumps(key)}', 1)}</div>" for key, html in cases.items())
    task = PageTask(body).on_screen((1000, 4000))
    observation = open_page(world, task)
    page = world._sessions[0].page
    assert page is not None
    ids = [element.id for element in observation.elements]
    keys = world._run(page.observer(f"{ids}.map((id) => (agentgym.node(id).dataset || {{}}).case)"))
    document = world._run(page.call("DOM.getDocument", {"depth": -1}))["root"]
    nodes = world._run(page.call("Accessibility.getFullAXTree"))["nodes"]
    marked = dict(_marked(document))
    return Page(
        {key: Told(each.role, each.name) for key, each in zip(keys, observation.elements, strict=True) if key},
        {
            marked[node["backendDOMNodeId"]]: Told(_role(node), " ".join(node["name"]["value"].split()))
            for node in nodes
            if node.get("backendDOMNodeId") in marked and not node["ignored"]
        },
        [line.strip() for line in (observation.tree or "").splitlines()],
    )


def _marked(node: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield the backend id and key of each case in a DevTools document."""
    attributes = node.get("attributes", [])
    for name, value in zip(attributes[::2], attributes[1::2], strict=True):
        if name == "data-case":
            yield node["backendNodeId"], value
    for child in node.get("children", []):
        yield from _marked(child)


def _role(node: dict[str, Any]) -> str:
    role = str(node["role"]["value"])
    return SAME_ROLE.get(role, role)


def test_roles_and_names_are_chromiums(world: BrowserWorld) -> None:
    page = read_page(world, CONTROLS)
    assert len(CONTROLS) >= 80
    different = {key: (page.ours.get(key), page.chromiums.get(key)) for key in CONTROLS
                 if page.ours.get(key) != page.chromiums.get(key)}  # fmt: skip
    listed = {key: Told(*DELIBERATE[key][:2]) for key in DELIBERATE if key in CONTROLS}
    assert {key: ours for key, (ours, _) in different.items()} == listed, different


def test_the_tree_has_chromiums_places(world: BrowserWorld) -> None:
    page = read_page(world, PLACES)
    for key in PLACES:
        role, name = DELIBERATE[key][:2] if key in DELIBERATE else page.chromiums[key]
        assert f'{role} "{name}"' in page.tree, key


def test_what_is_not_there_is_not_told(world: BrowserWorld) -> None:
    page = read_page(world, HIDDEN)
    assert not page.chromiums
    assert not page.ours


def test_beyond_the_rules_is_only_what_can_be_acted_on_or_seen(world: BrowserWorld) -> None:
    page = read_page(world, {key: html for key, (html, _, _) in BEYOND.items()})
    assert page.ours == {key: Told(*told) for key, (_, told, _) in BEYOND.items()}


@pytest.mark.parametrize(
    ("html", "states"),
    [
        ("<fieldset disabled><input></fieldset>", ("disabled",)),
        ("<input type=checkbox role=switch checked>", ("checked",)),
        ("<button aria-pressed=true>b</button>", ("pressed",)),
        ("<details open><summary>s</summary><p>x</p></details>", ("expanded",)),
        ("<div role=tab tabindex=0 aria-selected=true aria-expanded=true>t</div>", ("expanded", "selected")),
        ("<input readonly id=f><script>f.focus()</script>", ("focused", "readonly")),
        ("<div role=checkbox tabindex=0 aria-checked=true aria-disabled=true>c</div>", ("checked", "disabled")),
    ],
)
def test_states_are_told(world: BrowserWorld, html: str, states: tuple[str, ...]) -> None:
    assert open_page(world, PageTask(html)).elements[0].states == states


@pytest.mark.parametrize(
    ("html", "value"),
    [
        ("<div role=slider tabindex=0 aria-valuenow=5 aria-valuetext='5 of 9'>x</div>", "5 of 9"),
        ("<input type=range value=30>", "30"),
        ("<div role=combobox tabindex=0>Peru</div>", "Peru"),
        ("<progress value=0.5></progress>", "0.5"),
        ("<progress></progress>", ""),
        ("<div contenteditable>my  text</div>", "my text"),
    ],
)
def test_values_are_told(world: BrowserWorld, html: str, value: str) -> None:
    assert open_page(world, PageTask(html)).elements[0].value == value


def test_the_options_of_a_list_of_the_pages_own_are_elements(world: BrowserWorld) -> None:
    body = "<div role=combobox tabindex=0>Pick<div role=listbox><div role=option>Pear</div></div></div>"
    find(open_page(world, PageTask(body)), "option", "Pear")


def test_behind_a_modal_dialog_nothing_can_be_acted_on(world: BrowserWorld) -> None:
    body = "<button>Behind</button><dialog id=d><button>Inside</button></dialog><script>d.showModal()</script>"
    assert [each.name for each in open_page(world, PageTask(body)).elements if each.role == "button"] == ["Inside"]


def test_a_label_in_a_shadow_root_is_found_there(world: BrowserWorld) -> None:
    body = """<span id=a>Outside</span><div id=host></div><script>
        host.attachShadow({mode: "open"}).innerHTML = "<span id=a>Within</span><input aria-labelledby=a>";</script>"""
    find(open_page(world, PageTask(body)), "textbox", "Within")
