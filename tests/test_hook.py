"""Bugs of a task: told as such, with task, hook and seed, wherever its methods are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agentgym.action import Action, Click
from agentgym.episode import EpisodeKey, Score
from agentgym.errors import SessionCrashedError, TaskError
from agentgym.observation import Observation
from agentgym.policy.base import Prompt
from agentgym.policy.oracle import OraclePolicy
from agentgym.task import Instance
from agentgym_browser import BrowserTask, BrowserWorld, Setup, Site
from tests.browser_page import act, open_page
from tests.toy_world import PressTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

SEED = 7


class Buggy(BrowserTask):
    """A page whose hooks are given by the test."""

    id = "test/buggy"
    viewport = (400, 300)

    def __init__(
        self,
        *,
        setup: Callable[[], Any] | None = None,
        score: Callable[[], Any] | None = None,
        start: Any = "",
        **constants: Any,
    ) -> None:
        self._setup, self._score, self._start = setup, score, start
        vars(self).update(constants)

    def setup(self, rng: Random) -> Setup:
        del rng
        made: Setup = Setup("Press go.", "<button>go</button>") if self._setup is None else self._setup()
        return made

    def start_script(self, seed: int) -> str:
        del seed
        script: str = self._start
        return script

    def score(self, state: Any, goal: Any, answer: str | None) -> Score | None:
        score: Score | None = Score(1.0) if self._score is None else self._score()
        return score


def fail() -> Any:
    raise KeyError("no such user")


@pytest.fixture(scope="module")
def world() -> Iterator[BrowserWorld]:
    with BrowserWorld() as world:
        yield world


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Buggy(setup=fail), r"setup raised KeyError: 'no such user' \(seed 7, .*test_hook\.py line \d+\)"),
        (Buggy(setup=lambda: None), r"setup returned None; it must return a Setup \(seed 7\)"),
        (Buggy(setup=lambda: "Press go."), r"setup returned 'Press go.'; it must return a Setup \(seed 7\)"),
        (Buggy(setup=lambda: Setup("Press go.")), r"site serves nothing at https://task.invalid/ \(seed 7\).*html"),
        (Buggy(start=None), r"start_script returned None; it must return a str \(seed 7\)"),
    ],
)
def test_one_in_set_up_is_told_by_reset_and_the_session_goes_on(world: BrowserWorld, task: Buggy, message: str) -> None:
    with pytest.raises(TaskError, match=f"Task 'test/buggy', {message}"):
        world.reset({0: Instance(task, SEED)})
    open_page(world, Buggy())
    act(world, Click(1))


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (fail, r"raised KeyError: 'no such user' \(seed 7, .*test_hook\.py line \d+\)\. This is a bug of the task"),
        (lambda: next(iter(())), r"raised StopIteration:  \(seed 7"),
        (lambda: Score(2.0), r"raised ValueError: a score lies in \[0, 1\]"),
        *(
            ((lambda value=value: value), rf"returned {value!r}; it must return a Score or None \(seed 7\)")
            for value in (1.0, True, "good")
        ),
    ],
)
def test_one_in_scoring_is_told_by_step_and_the_session_goes_on(
    world: BrowserWorld, score: Callable[[], Any], message: str
) -> None:
    world.reset({0: Instance(Buggy(score=score), SEED)})
    with pytest.raises(TaskError, match=f"Task 'test/buggy', score {message}"):
        world.step({0: Click(1)})
    open_page(world, Buggy())
    act(world, Click(1))


@pytest.mark.parametrize(
    ("scripts", "message"),
    [
        ({"start": "let ="}, "start_script: A script failed in the page: SyntaxError"),
        ({"start": "nothing.at.all"}, "start_script: A script failed in the page: ReferenceError: nothing"),
        ({"instruction_script": "document.("}, "instruction_script: A script failed in the page: SyntaxError"),
        ({"instruction_script": "no.such"}, "instruction_script: A script failed in the page: ReferenceError: no"),
    ],
)
def test_a_script_that_fails_on_a_page_that_nobody_has_touched_is_a_bug(
    world: BrowserWorld, scripts: dict[str, Any], message: str
) -> None:
    with pytest.raises(TaskError, match=rf"Task 'test/buggy', {message}.*\(seed 7\)\. This is a bug of the task"):
        world.reset({0: Instance(Buggy(**scripts), SEED)})
    open_page(world, Buggy())


def test_a_script_that_fails_after_an_agent_has_acted_is_a_bug_only_if_it_cannot_be_read(world: BrowserWorld) -> None:
    world.reset({0: Instance(Buggy(state_script="window.sent ="), SEED)})
    with pytest.raises(TaskError, match=r"Task 'test/buggy', state_script: A script failed in the page: SyntaxError"):
        world.step({0: Click(1)})
    for throws in ("no.such.thing", "JSON.parse('{')", "window"):  # the last two by what a page may hold
        world.reset({0: Instance(Buggy(state_script=throws), SEED)})
        answer = world.step({0: Click(1)})[0]
        assert isinstance(answer, SessionCrashedError)
    world.reset({0: Instance(Buggy(state_script="no.such.thing"), SEED)})
    assert "Task 'test/buggy', state_script: A script failed in the page: Ref" in str(world.step({0: Click(1)})[0])


def test_a_script_that_fails_on_a_page_from_the_episode_before_is_the_machines_and_the_next_page_works(
    world: BrowserWorld,
) -> None:
    page = "<button onclick='this.remove()'>go</button>"
    task = Buggy(
        setup=lambda: Setup("Press go.", page), reusable=True, start="document.querySelector('button').click.name"
    )
    open_page(world, task)
    act(world, Click(1))
    assert isinstance(world.reset({0: Instance(task, SEED)})[0], SessionCrashedError)
    open_page(world, task)


def test_a_task_that_lacks_a_method_says_which(world: BrowserWorld) -> None:
    class Bare(BrowserTask):
        id = "test/bare"

    class Unjudged(Bare):
        def setup(self, rng: Random) -> Setup:
            return Setup("Press go.", "<button>go</button>")

    with pytest.raises(TaskError, match="Bare does not say what its page is"):
        world.reset({0: Instance(Bare(), SEED)})
    world.reset({0: Instance(Unjudged(), SEED)})
    with pytest.raises(TaskError, match="Unjudged does not say what is a success"):
        world.step({0: Click(1)})


def test_a_site_that_is_none_is_told(world: BrowserWorld) -> None:
    class Folder(Buggy):
        def site(self, setup: Setup) -> Site:
            return "pages"  # type: ignore[return-value]  # what a beginner may write

    with pytest.raises(TaskError, match=r"site returned 'pages'.*return a Site"):
        world.reset({0: Instance(Folder(), SEED)})


def play_oracle(oracle: Callable[[Observation], Any]) -> list[str]:
    """Return what the oracle policy writes in three turns of a task with that oracle."""
    task = PressTask()
    task.oracle = oracle  # type: ignore[method-assign, assignment]  # each test's own
    policy, key = OraclePolicy(), EpisodeKey(task.id, SEED)
    prompts = [Prompt(key, task, Observation("Press it."), step=step) for step in range(3)]
    return [policy.complete([prompt])[0].text for prompt in prompts]


def test_an_oracle_that_has_ended_says_done() -> None:
    def oracle(observation: Observation) -> Iterator[Action]:
        yield Click(1)

    assert [text.split("\n")[-1].split(" ")[-1] for text in play_oracle(oracle)][1:] == ["done()", "done()"]


def test_one_in_an_oracle_is_told() -> None:
    def text(observation: Observation) -> Iterator[str]:
        yield "click(1)"

    def raising(observation: Observation) -> Iterator[Action]:
        yield fail()

    with pytest.raises(TaskError, match=r"Task 'toy/press', oracle yielded 'click\(1\)'; it must yield act"):
        play_oracle(text)
    with pytest.raises(TaskError, match=r"oracle returned \[Click\(.*; it must be a generator"):
        play_oracle(lambda _: [Click(1)])
    with pytest.raises(TaskError, match=r"oracle raised KeyError: 'no such user' \(seed 7, "):
        play_oracle(raising)
