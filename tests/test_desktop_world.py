"""The desktop world: episodes on desktops that nobody had before, side by side, and what becomes of faults."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from agentgym.action import Click, Done, Fill, Press, Type, Wait
from agentgym.episode import Score
from agentgym.errors import (
    InfrastructureError,
    MissingDependencyError,
    SessionCrashedError,
    SessionStateError,
    SessionTimeoutError,
)
from agentgym.look import Look
from agentgym.task import Instance
from agentgym.world import Step
from agentgym_desktop.apps import EDITOR, TERMINAL, App
from agentgym_desktop.session import Kind
from agentgym_desktop.world import DesktopWorld
from tests.desktop_task import AppTask, act, begin, desktop_of, inside
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agentgym.observation import Element, Observation
    from agentgym_desktop.desktop import Desktop
    from agentgym_desktop.task import Evidence

EVERYTHING = Look(parts=frozenset({"elements", "tree", "screenshot", "marks"}))
NOTE = AppTask(EDITOR)


@pytest.fixture(scope="module")
def world() -> Iterator[DesktopWorld]:
    with DesktopWorld(num_slots=2, look=EVERYTHING, standby=2) as world:
        yield world


def field(observation: Observation) -> Element:
    return next(element for element in observation.elements if element.role == "textbox")


def text(world: DesktopWorld, *, slot: int = 0) -> str:
    return field(act(world, Wait(0), slot=slot).observation).value


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Kind, Desktop]]:
    """What worlds that are opened from now on start."""
    noted = []
    start = DesktopWorld._start_desktop

    def start_and_note(world: DesktopWorld, kind: Kind) -> Desktop:
        noted.append((kind, start(world, kind)))
        return noted[-1][1]

    monkeypatch.setattr(DesktopWorld, "_start_desktop", start_and_note)
    return noted


class TestEpisodes:
    def test_an_episode_shows_what_its_desktop_shows(self, world: DesktopWorld) -> None:
        observation = begin(world, NOTE)
        assert observation.instruction == "Do 49."
        assert "Mousepad" in observation.title
        assert {"menuitem", "textbox", "window"} <= {element.role for element in observation.elements}
        assert observation.screenshot is not None
        assert observation.marks is not None
        assert observation.screenshot.shape == observation.marks.shape == (720, 1280, 3)
        assert (observation.screenshot != observation.marks).any()
        assert observation.tree is not None
        assert field(observation).label in observation.tree

    def test_the_same_seed_gives_the_same_observation_on_every_desktop(self, world: DesktopWorld) -> None:
        one, other = (begin(world, NOTE, 5, slot=slot) for slot in range(2))
        assert one == other
        assert one.screenshot is not None
        assert other.screenshot is not None
        assert (one.screenshot == other.screenshot).all()

    def test_what_is_typed_and_filled_is_there(self, world: DesktopWorld) -> None:
        observation = begin(world, NOTE)
        assert field(act(world, Type("Grüße, 世界!")).observation).value == "Grüße, 世界!"
        act(world, Fill(field(observation).id, "anew"))
        assert text(world) == "anew"

    def test_an_element_keeps_its_id(self, world: DesktopWorld) -> None:
        ids = {element.id for element in begin(world, NOTE).elements}
        assert ids <= {element.id for element in act(world, Type("x")).observation.elements}

    def test_a_task_has_its_files_and_what_they_are_opened_with(self, world: DesktopWorld) -> None:
        task = AppTask(EDITOR, files={"notes/a b.txt": b"from a file"}, opens=(EDITOR.with_("notes/a b.txt"),))
        observation = begin(world, task)
        assert "a b.txt" in observation.title
        assert "from a file" in {element.value for element in observation.elements}

    def test_the_judge_sees_files_windows_elements_commands_goal_and_answer(self, world: DesktopWorld) -> None:
        seen: dict[str, Any] = {}

        def judge(evidence: Evidence) -> Score:
            seen["files"] = (evidence.list(), evidence.read("a.txt"), evidence.read("none"), evidence.list("a.txt"))
            seen["link"] = (evidence.read("link"), evidence.read("folder/passwd"))
            seen["titles"] = [window.title for window in evidence.windows]
            seen["roles"] = {element.role for element in evidence.elements}
            seen["run"] = evidence.run("sh", "-c", "echo out; exit 3")
            seen["no program"] = evidence.run("no-such-program").status
            seen["said"] = (evidence.goal, evidence.answer)
            return Score(1.0, "seen")

        begin(world, AppTask(EDITOR, files={"a.txt": b"A"}, score=judge))
        inside(world, "cd; ln -s /etc/passwd link; ln -s /etc folder; head -c 20000000 /dev/zero > big")
        step = act(world, Done("42"))
        assert step.score == Score(1.0, "seen")
        names, *rest = seen["files"]
        assert {"a.txt", "big", "folder", "link"} <= set(names)
        assert rest == [b"A", None, None]
        assert seen["link"] == (None, None)
        assert any("Mousepad" in title for title in seen["titles"])
        assert "textbox" in seen["roles"]
        assert (seen["run"].status, seen["run"].stdout) == (3, b"out\n")
        assert seen["no program"] == 127
        assert seen["said"] == ("the goal", "42")

    def test_a_task_that_is_judged_always_ends_by_itself(self, world: DesktopWorld) -> None:
        task = AppTask(EDITOR, always=True, score=lambda evidence: Score(1.0) if evidence.read("done") else None)
        begin(world, task)
        assert act(world, Wait(0)).score is None
        inside(world, "echo > ~/done")
        assert act(world, Wait(0)).score == Score(1.0)
        with pytest.raises(SessionStateError, match="reset"):
            world.step({0: Wait(0)})

    def test_done_without_success_is_a_failure(self, world: DesktopWorld) -> None:
        begin(world, NOTE)
        score = act(world, Done()).score
        assert score is not None
        assert score.value == 0

    def test_an_episode_says_what_parts_its_desktop_from_the_machine(self, world: DesktopWorld) -> None:
        begin(world, NOTE)
        assert "bubblewrap" in world.isolation(0)

    def test_a_screen_has_the_size_that_is_asked_for(self, world: DesktopWorld) -> None:
        observation = begin(world, NOTE.on_screen((801, 601)))
        assert observation.screenshot is not None
        assert observation.screenshot.shape == (601, 801, 3)


class TestStandbys:
    def test_what_is_expected_is_prepared_with_its_files(self) -> None:
        task = AppTask(EDITOR, files={"a.txt": b"prepared"}, opens=(EDITOR.with_("a.txt"),))
        with DesktopWorld(standby=1) as world:
            world.expect({0: Instance(task, 3)})
            wait_until(lambda: world.standbys == 1)
            (place,) = world._pool._places
            assert place.kind == Kind.of(task)._replace(instance=Instance(task, 3))
            assert place.standby is not None
            prepared = place.standby.result()
            assert "a.txt" in begin(world, task, 3).title
            assert desktop_of(world) is prepared

    def test_nothing_survives_an_episode(self, world: DesktopWorld) -> None:
        marks = {
            "a file": ("echo > ~/left; echo > /tmp/left; echo > /dev/shm/left", "ls ~/left /tmp/left /dev/shm/left"),
            "a process": ("sleep 987 & echo", "pidof sleep"),
            "a keymap": ("xmodmap -e 'keycode 38 = q'", "xmodmap -pke | grep '^keycode  38 = q'"),
            "a setting": ("mkdir -p ~/.config/x; echo > ~/.config/x/left", "ls ~/.config/x"),
        }
        begin(world, NOTE)
        for left, _ in marks.values():
            inside(world, f"DISPLAY=:0; export DISPLAY; {left}")
        desktop_of(world).clipboard.write("left")
        control = {mark for mark, (_, look) in marks.items() if inside(world, f"DISPLAY=:0 {look} 2>/dev/null").strip()}
        assert {"a file", "a process", "a setting"} <= control
        assert desktop_of(world).clipboard.read() == "left"
        begin(world, NOTE)
        found = {mark for mark, (_, look) in marks.items() if inside(world, f"DISPLAY=:0 {look} 2>/dev/null").strip()}
        assert not found
        assert not desktop_of(world).clipboard.read()

    def test_an_app_that_does_not_start_says_what_it_wrote(self) -> None:
        broken = App("broken app", ("sh", "-c", "echo no luck today >&2; exit 7"), "nothing")
        with DesktopWorld(standby=0) as world:
            answer = world.reset({0: Instance(AppTask(broken), 0)})[0]
        assert isinstance(answer, SessionCrashedError)
        assert "broken app" in str(answer)
        assert "status 7" in str(answer)
        assert "no luck today" in str(answer)

    def test_an_app_that_does_not_tell_what_it_shows_is_no_beginning_of_an_episode(
        self, world: DesktopWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("agentgym_desktop.settle.HANGS_S", 0.0)
        begin(world, NOTE)
        inside(world, "kill -STOP $(pidof mousepad)")
        mute = App("mute app", ("xterm",), "xterm", start_s=5.0)
        with pytest.raises(SessionTimeoutError, match="mute app does not say what it shows 5 s"):
            desktop_of(world).open(mute.with_())

    def test_what_an_image_lacks_is_named(self, world: DesktopWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        begin(world, NOTE)
        monkeypatch.setattr(App, "check", lambda *_: None)  # as for an image, in which nobody can look
        with pytest.raises(MissingDependencyError, match="'nowhere', which is not in the image"):
            desktop_of(world).open(App("lost app", ("nowhere",), "nothing").with_())

    def test_no_start_is_thrown_away_where_it_is_known_what_comes_next(
        self, started: list[tuple[Kind, Desktop]]
    ) -> None:
        with DesktopWorld(standby=1) as world:
            for seed in range(2):
                begin(world, NOTE, seed)
                world.expect({0: Instance(NOTE, seed + 1)})
                act(world, Type("a"))
                wait_until(lambda: world.standbys == 1)
        assert [kind.instance for kind, _ in started] == [None, Instance(NOTE, 1), Instance(NOTE, 2)]


class TestFaults:
    """One desktop fails: typed, at once, alone, and healed by its next reset."""

    @pytest.mark.parametrize("victim", ["Xvfb", "openbox", "dbus-daemon"])
    def test_a_service_that_is_killed_fails_its_own_desktop(self, world: DesktopWorld, victim: str) -> None:
        begin(world, NOTE, slot=0)
        begin(world, NOTE, slot=1)
        assert inside(world, f"kill -9 $(pidof {victim}) && echo killed") == "killed\n"
        answers = world.step({0: Type("a"), 1: Type("b")})
        assert isinstance(answers[0], InfrastructureError), answers[0]
        assert isinstance(answers[1], Step)
        assert text(world, slot=1) == "b"
        with pytest.raises(SessionStateError):
            world.step({0: Wait(0)})
        assert field(begin(world, NOTE)).value == ""

    def test_a_sandbox_that_is_killed_fails_its_own_desktop(self, world: DesktopWorld) -> None:
        begin(world, NOTE, slot=0)
        begin(world, NOTE, slot=1)
        families = [process for process in psutil.Process().children(recursive=True) if process.name() == "bwrap"]
        uid = desktop_of(world).sandbox.uid
        victims = [process for process in families if process.uids().real == uid]
        assert victims
        for process in victims:
            process.kill()
        answers = world.step({0: Type("a"), 1: Type("b")})
        assert isinstance(answers[0], InfrastructureError)
        assert isinstance(answers[1], Step)
        assert field(begin(world, NOTE)).value == ""

    def test_an_app_that_crashes_is_the_episodes_own_affair(self, world: DesktopWorld) -> None:
        begin(world, NOTE)
        inside(world, "kill -9 $(pidof mousepad)")
        wait_until(lambda: not desktop_of(world).windows)
        observation = act(world, Wait(0)).observation
        assert not observation.title
        assert not [element for element in observation.elements if element.role == "textbox"]

    def test_an_app_that_hangs_costs_a_bounded_wait_and_is_told(self, world: DesktopWorld) -> None:
        begin(world, NOTE)
        inside(world, "kill -STOP $(pidof mousepad)")
        step = act(world, Click(x=400, y=300))
        assert "does not answer" in step.observation.error
        inside(world, "kill -CONT $(pidof mousepad)")
        act(world, Wait(100))
        assert field(act(world, Type("again")).observation).value == "again"

    def test_an_agent_with_a_terminal_harms_nobody_else(self, world: DesktopWorld) -> None:
        begin(world, AppTask(TERMINAL), slot=0)
        begin(world, NOTE, slot=1)
        attacks = (":(){ :|:& };:", "head -c 4G /dev/zero | tail > x", "cat /dev/zero > ~/full", "yes", "kill -9 -1")
        for number, attack in enumerate(attacks):
            answers = world.step({0: Type(f"{attack}\n"), 1: Type(str(number))})
            assert isinstance(answers[1], Step)
            if isinstance(answers[0], Step):
                answers = world.step({0: Press("Control+c")})
            if isinstance(answers[0], InfrastructureError):
                begin(world, AppTask(TERMINAL), slot=0)
        assert text(world, slot=1) == "01234"


class TestOwners:
    """No desktop outlives who opened it."""

    SCRIPT = textwrap.dedent("""
        import sys
        from agentgym.task import Instance
        from agentgym_desktop.world import DesktopWorld
        from tests.desktop_task import AppTask
        world = DesktopWorld(num_slots=2, standby=1)
        world.reset({slot: Instance(AppTask(), slot) for slot in range(2)})
        print("open", flush=True)
        sys.stdin.read()
    """)

    def test_a_killed_owner_leaves_nothing(self, tmp_path: Path) -> None:
        owner = subprocess.Popen(
            [sys.executable, "-c", self.SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert owner.stdout is not None
        assert owner.stdin is not None
        assert owner.stdout.readline() == "open\n"
        family = psutil.Process(owner.pid).children(recursive=True)
        assert any(process.name() == "Xvfb" for process in family)
        owner.kill()
        owner.wait()
        owner.stdin.close()
        owner.stdout.close()
        wait_until(lambda: not any(process.is_running() for process in family))

    def test_closing_does_not_wait_for_what_is_under_way_and_leaves_nothing(
        self, started: list[tuple[Kind, Desktop]]
    ) -> None:
        world = DesktopWorld(num_slots=2, standby=2)
        begin(world, NOTE)
        world.submit({0: Wait(10_000), 1: Instance(NOTE, 1)})
        wait_until(lambda: len(started) > 1)
        world.close()
        world.close()
        assert not any(desktop.alive or psutil.pid_exists(desktop.sandbox.host_pid) for _, desktop in started)

    def test_a_forked_process_opens_its_own_and_leaves_the_owners_alone(self, world: DesktopWorld) -> None:
        begin(world, NOTE)
        act(world, Type("parent"))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if field(begin(world, NOTE)).value == "" else 2
                world.close()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert text(world) == "parent"

    def test_work_is_collected_in_the_order_in_which_it_is_done(self, world: DesktopWorld) -> None:
        for slot in range(2):
            begin(world, NOTE, slot=slot)
        world.submit({0: Wait(1500), 1: Type("quick")})
        first = world.collect()
        assert set(first) == {1}
        with pytest.raises(SessionStateError):
            world.submit({0: Wait(0)})
        assert set(world.collect()) == {0}
