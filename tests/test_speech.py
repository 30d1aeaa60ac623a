"""Policies in every dialect: what they are asked, what they answer, and that whole episodes are played so."""

from __future__ import annotations

import contextlib
import hashlib
from random import Random
from typing import TYPE_CHECKING, ClassVar

import pytest

from agentgym import registry
from agentgym.action import Action, Click, Done, Drag, Fill, Hover, Press, Scroll, Select, Type, format_action
from agentgym.dialects import DIALECTS
from agentgym.dialects.base import Dialect, PixelDialect
from agentgym.episode import EpisodeKey
from agentgym.errors import ActionError, ConfigError, UnknownNameError
from agentgym.observation import Box, Element, Observation
from agentgym.policy.base import Completion, Policy, Prompt
from agentgym.policy.loading import load_policy
from agentgym.policy.oracle import OraclePolicy
from agentgym.policy.pointing import by_points, middle
from agentgym.policy.prompt import messages, page_message, system_message, user_message
from agentgym.policy.random import RandomPolicy
from agentgym.policy.speech import Speech
from agentgym.policy.transformers import TransformersPolicy
from agentgym.rollout.collector import Collector, EpisodeRequest
from agentgym.rollout.worker import RolloutWorker, WorkerSpec
from agentgym.vector_env import AgentVectorEnv
from tests.test_registry import add_plugin
from tests.toy_world import TOY, PressTask, ToyWorld

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from agentgym.episode import Trajectory

NAMES = [*DIALECTS, "qwen-computer@pixels", "ui-tars@pixels", "openai-computer@999"]
POINTED = [name for name in NAMES if issubclass(DIALECTS[name.partition("@")[0]], PixelDialect)]
PAGES = ("login-user", "choose-list", "click-checkboxes", "drag-box")
SCREEN = (160, 120)

pytestmark = pytest.mark.usefixtures("toy_plugin")


class WidePress(PressTask):
    """The same buttons on a screen of another size."""

    id = "toy/wide-press"
    viewport = (640, 480)


@pytest.fixture(scope="module")
def browser() -> Iterator[Collector]:
    with registry.make_world("browser", num_slots=4) as world:
        yield Collector(world, OraclePolicy())


def requests(*names: str, count: int = 1) -> list[EpisodeRequest]:
    tasks = [registry.get_task(name) for name in names]
    return [EpisodeRequest(EpisodeKey(task.id, 1_000_003 + seed), task) for task in tasks for seed in range(count)]


def play(policy: Policy, wanted: Sequence[EpisodeRequest]) -> list[Trajectory]:
    return list(Collector(ToyWorld(num_slots=3), policy).collect(wanted))


def assert_spoken(name: str, played: Sequence[Trajectory]) -> None:
    """Every completion is an action in the dialect, without ids where it has none."""
    for trajectory in played:
        speech = Speech(name).on(registry.get_task(trajectory.key.task_id).viewport)
        for turn in trajectory.turns:
            assert (format_action(speech.parse(turn.completion)), turn.error) == (turn.action, "")
            if isinstance(speech, PixelDialect):
                assert turn.action.startswith(("click(x", "drag(x", "type(", "press(", "done("))
                assert "[" not in turn.prompt.partition("Screen:")[2]


def test_the_prompt_of_the_default_dialect_is_the_one_that_nano_is_trained_on() -> None:
    digest = hashlib.sha256(system_message().encode()).hexdigest()
    assert digest == "0e44fff37818ea061dc2f7e2e0a602556c177267555a405a05e26138a645a7ff"
    button = Element(3, "button", 'o"k', value="7", states=("focused",), box=Box(1, 2, 3, 4))
    text = page_message(Observation("Go\non.", (button, Element(4, "text", "")), error="no"), ("click(3)", "?"))
    assert text == (
        'Task: Go on.\nDone: click(3) ; ?\nError: no\nScreen:\nbutton "o\\"k" [3] value "7" focused\ntext "" [4]'
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_oracle_plays_the_toy_world_in_every_dialect(name: str) -> None:
    tasks = ("toy/press",) if name in POINTED else ("toy/press", "toy/fill")  # the toy knows no keyboard
    played = play(OraclePolicy(speech=Speech(name)), requests(*tasks, count=4))
    assert [each.outcome for each in played] == ["success"] * 4 * len(tasks)
    assert_spoken(name, played)


@pytest.mark.parametrize("name", NAMES)
def test_the_oracle_plays_real_pages_in_every_dialect(name: str, browser: Collector) -> None:
    browser.policy = OraclePolicy(speech=Speech(name))
    played = list(browser.collect(requests(*(f"miniwob/{page}" for page in PAGES))))
    assert {each.key.task_id: each.outcome for each in played} == {f"miniwob/{page}": "success" for page in PAGES}
    assert_spoken(name, played)


@pytest.mark.parametrize("name", NAMES)
def test_the_random_policy_writes_no_malformed_action_in_any_dialect(name: str) -> None:
    played = play(RandomPolicy(speech=Speech(name)), requests("toy/press", "toy/fill", count=20))
    assert_spoken(name, played)
    actions = [turn.action for each in played for turn in each.turns]
    assert len({action.partition("(")[0] for action in actions}) > 2
    assert played == play(RandomPolicy(speech=Speech(name)), requests("toy/press", "toy/fill", count=20))


def test_the_random_policy_goes_on_where_nothing_can_be_aimed_at() -> None:
    hidden = Observation("Go.", (Element(0, "button", "ok"),))
    prompts = [Prompt(EpisodeKey("toy/press", seed), TOY["toy/press"], hidden) for seed in range(20)]
    speech = Speech("ui-tars")
    said = {each.text for each in RandomPolicy(speech=speech).complete(prompts)}
    assert {speech.on(SCREEN).parse(text) for text in said} == {Press(keys="Tab"), Done()}


class Says(Policy):
    """Answers the same to everything, and remembers what it was asked."""

    name = "says"

    def __init__(self, speech: Speech, *texts: str) -> None:
        self.speech = speech
        self.asked: list[str] = []
        self._texts = texts

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        self.asked += [user_message(prompt, self.dialect(prompt)) for prompt in prompts]
        return [Completion(self._texts[prompt.step]) for prompt in prompts]


@pytest.mark.parametrize("name", NAMES)
def test_text_that_is_no_action_of_the_dialect_is_an_error_observation(name: str) -> None:
    foreign = "click(0)" if name != "call-text" else '{"name": "click", "arguments": {"element": 0}}'
    done = Speech(name).on(SCREEN).format(Done())
    policy = Says(Speech(name), foreign, done)
    (played,) = play(policy, requests("toy/press"))
    assert [turn.action for turn in played.turns] == ["", "done()"]
    assert played.turns[0].error
    assert f"Error: {played.turns[0].error}" in policy.asked[1].split("\n")
    assert "Done: ?" in policy.asked[1].split("\n")
    assert played.penalty == pytest.approx(0.05)


@pytest.mark.parametrize("name", NAMES)
def test_environments_read_text_in_the_dialect_that_they_are_told(name: str) -> None:
    with registry.make("toy/press", dialect=name, malformed_penalty=0.5) as env:
        env.reset(seed=3)
        foreign = "click(0)" if name != "call-text" else '{"name": "click", "arguments": {"element": 0}}'
        observation, reward, terminated, *_ = env.step(foreign)
        assert (reward, terminated) == (-0.5, False)
        assert observation["error"]
        goal = next(each for each in env.observation.elements if f'"{each.name}"' in env.observation.instruction)
        click = Click(element=goal.id) if name not in POINTED else Click(x=20, y=goal.box.y + 9)
        text = Speech(name).on(SCREEN).format(click)
        assert env.step(text)[1:3] == (1, True)
    with contextlib.closing(registry.make_vec("toy/press", num_envs=2, dialect=name)) as many:
        many.reset(seed=[3, 3])
        assert many.step([text, foreign])[2].tolist() == [True, False]


def test_each_slot_reads_coordinates_on_the_screen_of_its_own_task() -> None:
    with contextlib.closing(
        AgentVectorEnv(ToyWorld(num_slots=2), [PressTask(), WidePress()], dialect="ui-tars")
    ) as env:
        env.reset(seed=[3, 3])
        places = [Speech("ui-tars").on(task.viewport).format(Click(x=20, y=15)) for task in env.tasks]
        assert places[0] != places[1]
        assert env.step(places)[2].tolist() == [True, True]
        env.step(places)
        assert env.step(places[::-1])[2].tolist() == [False, False]


def test_an_environment_in_a_dialect_that_there_is_not_is_refused() -> None:
    for make in (registry.make, registry.make_vec):
        with pytest.raises(UnknownNameError, match="Did you mean 'json-tools'"):
            make("toy/press", dialect="json-tool")


@pytest.mark.parametrize("name", NAMES)
def test_the_history_is_written_as_the_policy_writes(name: str) -> None:
    speech = Speech(name).on(SCREEN)
    drag = speech.format(Drag(x=4, y=3, to_x=9, to_y=3))  # of two lines and more in some
    policy = Says(Speech(name), drag, speech.format(Done()))
    play(policy, requests("toy/press"))
    (line,) = [line for line in policy.asked[1].split("\n") if line.startswith("Done: ")]
    assert line == f"Done: {drag}".replace("\n", " ")


def test_an_action_that_is_read_and_never_written_is_in_the_history_as_call_text() -> None:
    spoken = "Action: hotkey(key='ctrl alt shift a')"  # a hotkey of four is read, and three are written at most
    speech = Speech("ui-tars")
    action = speech.on(SCREEN).parse(spoken)
    with pytest.raises(ActionError):
        speech.on(SCREEN).format(action)
    policy = Says(speech, spoken, speech.on(SCREEN).format(Done()))
    play(policy, requests("toy/press"))
    assert f"Done: {action}" in policy.asked[1].split("\n")


@pytest.mark.parametrize(
    ("name", "says", "elements"),
    [
        ("json-tools", "each with its id in brackets", ['button "ok" [7]', 'text "far" [8]']),
        ("browsergym", "Click an element: click('12')", ['button "ok" [7]', 'text "far" [8]']),
        ("openai-computer", "x and y are pixels of the screen, 160 wide and 120 high", ["at (79, 59)", 'text "far"']),
        ("anthropic-computer", '{"action": "left_click", "coordinate": [4, 3]}', ["at (79, 59)", 'text "far"']),
        ("ui-tars", "x and y go from 0 to 1000", ["at (497, 496)", 'text "far"']),
        ("ui-tars@pixels", "Action: click(start_box='(4,3)')", ["at (79, 59)", 'text "far"']),
        ("qwen-computer", '{"action": "left_click", "coordinate": [25, 25]}', ["at (497, 496)", 'text "far"']),
    ],
)
def test_a_prompt_describes_the_dialect_and_tells_elements_by_what_it_can_aim_at(
    name: str, says: str, elements: list[str]
) -> None:
    speech = Speech(name).on(SCREEN)
    button, far = Element(7, "button", "ok", box=Box(69, 49, 20, 20)), Element(8, "text", "far", box=Box(0, 200, 9, 9))
    task, text = TOY["toy/press"], Observation("Go.", (button, far))
    system, user = (each["content"] for each in messages(Prompt(EpisodeKey(task.id, 0), task, text), speech))
    assert says in system
    assert speech.describe() in system
    lines = user.split("Screen:\n")[1].split("\n")
    assert [line.endswith(end) for line, end in zip(lines, elements, strict=True)] == [True, True], lines


def test_a_model_is_asked_in_its_dialect_on_screens_of_two_sizes_at_once(tiny_checkpoint: Path) -> None:
    player = load_policy(str(tiny_checkpoint), dialect="qwen-computer", threads=1, device="cpu", max_new_tokens=2)
    assert isinstance(player, TransformersPolicy)
    prompts = []
    for task in (TOY["toy/press"], WidePress()):
        assert isinstance(task, PressTask)
        observation = Observation("Go.", tuple(task.screen(Random(3)).elements))
        prompts.append(Prompt(EpisodeKey(task.id, 3), task, observation))
    seen = []
    for asked, answer in zip(prompts, player.complete(prompts), strict=True):
        conversation = messages(asked, player.dialect(asked))
        text = player.tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
        assert list(answer.prompt_ids) == player.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert answer.prompt_text == conversation[1]["content"]
        seen.append(conversation)
    assert seen[0][0] != seen[1][0]
    assert seen[0][1] != seen[1][1]


def test_a_rollout_worker_plays_in_the_dialect_that_it_is_told() -> None:
    spec = WorkerSpec("toy", "oracle", False, 0.0, 1.0, 8, 1, "hermes-tools")
    worker = RolloutWorker(spec, sessions=1)
    try:
        played = worker.play(requests("toy/fill")[0]).trajectory
    finally:
        worker.close()
    assert played.success
    assert_spoken("hermes-tools", [played])
    assert all("<tool_call>" in turn.completion for turn in played.turns)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("json-tool", UnknownNameError, "No dialect 'json-tool'. Did you mean 'json-tools'?"),
        ("qwen-compute@pixels", UnknownNameError, "No dialect 'qwen-compute'. Did you mean 'qwen-computer'?"),
        ("json-tools@1000", ConfigError, "'json-tools@1000': it knows element ids, and has no scale"),
        ("ui-tars@", ConfigError, "the scale after @ must be pixels or a largest coordinate"),
        ("ui-tars@-5", ConfigError, "the scale after @ must be pixels or a largest coordinate"),
        ("ui-tars@3", ConfigError, "scale: 3 is not a largest coordinate from 16 to 100000"),
    ],
)
def test_a_wrong_name_is_told(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as refused:
        Speech(name)
    assert message in str(refused.value)


OBSERVATION = Observation(
    "Go.", (Element(0, "textbox", "", box=Box(10, 10, 20, 10)), Element(1, "button", "", box=Box(150, -6, 50, 20)))
)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (Click(element=0, button="right", count=2), [Click(x=20, y=15, button="right", count=2)]),
        (Hover(element=1), [Hover(x=155, y=7)]),
        (Scroll(0, 30, element=0), [Scroll(0, 30, x=20, y=15)]),
        (Scroll(0, 30), [Scroll(0, 30)]),
        (Drag(element=0, to_element=1), [Drag(x=20, y=15, to_x=155, to_y=7)]),
        (Drag(element=0, to_x=3, to_y=4), [Drag(x=20, y=15, to_x=3, to_y=4)]),
        (Drag(x=3, y=4, to_element=1), [Drag(x=3, y=4, to_x=155, to_y=7)]),
        (Fill(element=0, text="a"), [Click(x=20, y=15), Press("Control+a"), Type("a")]),
        (Fill(element=0, text=""), [Click(x=20, y=15), Press("Control+a"), Press("Backspace")]),
        (Select(element=0, option="b"), [Click(x=20, y=15), Type("b"), Press("Enter")]),
        (Click(x=500, y=500), [Click(x=500, y=500)]),
        (Done("c"), [Done("c")]),
    ],
    ids=str,
)
def test_actions_at_elements_are_done_with_points(action: Action, expected: list[Action]) -> None:
    assert list(by_points(action, OBSERVATION, SCREEN)) == expected


def test_what_is_off_the_screen_cannot_be_pointed_at() -> None:
    for box in (Box(0, 0, 0, 0), Box(160, 0, 9, 9), Box(-9, 0, 9, 9), Box(0, 120, 9, 9), Box(0, -9, 9, 9)):
        assert middle(box, SCREEN) is None
        with pytest.raises(ActionError, match="is not on screen"):
            by_points(Click(element=5), Observation("Go.", (Element(5, "button", "", box=box),)), SCREEN)
    with pytest.raises(ActionError, match="element 9 is not on screen"):
        by_points(Click(element=9), OBSERVATION, SCREEN)
    assert middle(Box(159, 119, 9, 9), SCREEN) == (159, 119)
    assert middle(Box(400, 400, 10, 10), None) == (405, 405)


class Shouted(Dialect):
    """Call text in capitals: a dialect of another package."""

    name: ClassVar[str] = "shouted"

    def format(self, action: Action) -> str:
        return format_action(action).upper()

    def _read(self, text: str) -> Action:
        return DIALECTS["call-text"]().parse(text.lower())


def test_a_package_announces_its_dialect_by_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = (
        "[agentgym.dialects]\nshouted = tests.test_speech:Shouted\njson-tools = tests.test_speech:Shouted\n"
        "wrong = tests.test_speech:PressTask\n"
    )
    add_plugin(tmp_path, "agentgym-shouted", entries, monkeypatch)
    played = play(load_policy("oracle", dialect="shouted"), requests("toy/press", count=3))
    assert [each.outcome for each in played] == ["success"] * 3
    assert all(turn.completion.startswith("CLICK(") for each in played for turn in each.turns)
    assert type(Speech("json-tools").on(SCREEN)) is DIALECTS["json-tools"]  # ours cannot be replaced
    with pytest.raises(UnknownNameError, match="Did you mean 'shouted'"):
        Speech("shoute")
    with pytest.raises(ConfigError, match="must be a subclass of Dialect"):
        Speech("wrong")
