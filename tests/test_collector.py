"""The collector, on a world in memory whose failures come on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agentgym.action import parse
from agentgym.episode import EpisodeKey, Score
from agentgym.errors import SessionCrashedError
from agentgym.policy.base import Completion, Policy, Prompt
from agentgym.policy.oracle import OraclePolicy
from agentgym.policy.random import RandomPolicy
from agentgym.policy.transformers import TransformersPolicy
from agentgym.rollout.collector import LOOKED_AHEAD, Collector, EpisodeRequest
from tests.toy_world import TOY, PressTask, Screen, ToyWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from agentgym.action import Action
    from agentgym.episode import Trajectory
    from agentgym.task import Task


class Says(Policy):
    """Answers with what a function makes of the prompt, and keeps the prompts and who was forgotten."""

    name = "says"

    def __init__(self, answer: Callable[[Prompt], str]) -> None:
        self.answer = answer
        self.prompts: list[Prompt] = []
        self.forgotten: list[EpisodeKey] = []

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        self.prompts += prompts
        return [
            Completion(self.answer(each), prompt_ids=(1, each.step), ids=(2, 3), logprobs=(-0.5, -0.25))
            for each in prompts
        ]

    def forget(self, key: EpisodeKey) -> None:
        self.forgotten.append(key)


class Reads(Says):
    """One whose prompts have tokens also where nothing is answered."""

    def encode(self, prompt: Prompt) -> Completion:
        return Completion("", f"step {prompt.step}: {prompt.observation.error}", prompt_ids=(1, prompt.step))


class UnjudgedTask(PressTask):
    id = "toy/unjudged"

    def act(self, screen: Screen, action: Action) -> Score | None:
        return Score(None, "the judge was asleep")


def requests(task: str | Task, count: int) -> list[EpisodeRequest]:
    task = TOY[task] if isinstance(task, str) else task
    return [EpisodeRequest(EpisodeKey(task.id, seed), task) for seed in range(count)]


def play(policy: Policy, wanted: Sequence[EpisodeRequest], *, slots: int = 3) -> list[Trajectory]:
    return list(Collector(ToyWorld(num_slots=slots), policy).collect(wanted))


def test_the_oracle_succeeds_and_every_request_ends_once() -> None:
    wanted = requests("toy/press", 7) + requests("toy/fill", 7)
    collector = Collector(ToyWorld(num_slots=3), OraclePolicy())

    played = list(collector.collect(wanted))

    assert {each.outcome for each in played} == {"success"}
    assert sorted(map(str, (each.key for each in played))) == sorted(str(each.key) for each in wanted)
    assert collector.stats.episodes == 14
    assert collector.stats.turns == sum(len(each.turns) for each in played) == 7 + 14
    assert collector.stats.infrastructure_failures == 0
    assert collector.stats.env_s > 0
    assert collector.stats.policy_s > 0


def test_a_wrong_answer_is_a_failure_and_going_on_too_long_is_truncated() -> None:
    (failed,) = play(Says(lambda _: 'done("no")'), requests("toy/press", 1))
    assert (failed.outcome, failed.score, failed.reason) == ("failure", 0.0, "said done, but was not")
    (endless,) = play(Says(lambda _: "wait(1)"), requests("toy/press", 1))
    assert (endless.outcome, endless.score, len(endless.turns)) == ("truncated", 0.0, PressTask.max_steps)
    assert endless.reason == "not done after 5 actions"


def test_a_truncated_episode_keeps_what_would_have_been_seen_next() -> None:
    (endless,) = play(Reads(lambda _: "click(77)"), requests("toy/press", 1))
    after = endless.after
    assert after is not None
    assert (after.prompt, after.prompt_ids, after.completion_ids) == ("step 5: no element 77", (1, 5), ())
    (failed,) = play(Reads(lambda _: 'done("no")'), requests("toy/press", 1))
    (silent,) = play(Says(lambda _: "click(77)"), requests("toy/press", 1))
    assert (failed.after, silent.outcome, silent.after) == (None, "truncated", None)


def test_a_prompt_is_encoded_as_it_is_when_it_is_answered(toy_player: Path) -> None:
    policy = TransformersPolicy.from_pretrained(toy_player, device="cpu", max_new_tokens=2)
    says = Says(lambda _: "click(77)")
    play(says, requests("toy/press", 1))
    encoded = [policy.encode(each) for each in says.prompts]
    answered = policy.complete(says.prompts)
    assert [(each.prompt_text, each.prompt_ids) for each in encoded] == [
        (each.prompt_text, each.prompt_ids) for each in answered
    ]


def test_a_malformed_completion_is_a_turn_with_an_error_and_a_penalty() -> None:
    policy = Says(lambda prompt: "I would rather not" if prompt.step < 2 else "done()")
    world = ToyWorld()
    (played,) = Collector(world, policy, malformed_penalty=0.1).collect(requests("toy/press", 1))

    assert [turn.action for turn in played.turns] == ["", "", "done()"]
    assert played.turns[0].completion == "I would rather not"
    assert "is not an action" in played.turns[0].error
    assert played.penalty == pytest.approx(0.2)
    assert played.reward == pytest.approx(-0.2)
    assert [each.history for each in policy.prompts] == [(), ("?",), ("?", "?")]
    assert [bool(each.observation.error) for each in policy.prompts] == [False, True, True]


def test_an_action_that_cannot_be_carried_out_is_a_turn_with_an_error_and_no_penalty() -> None:
    (played,) = play(Says(lambda _: "click(77)"), requests("toy/press", 1))
    assert {turn.error for turn in played.turns} == {"no element 77"}
    assert played.penalty == 0


class LongTask(PressTask):
    id = "toy/long"
    max_steps = 9


@pytest.mark.parametrize("history", [0, 2, 4, 7])
def test_a_prompt_shows_the_newest_actions_up_to_a_bound(history: int) -> None:
    policy = Says(lambda prompt: f"wait({prompt.step})")
    (played,) = Collector(ToyWorld(), policy, history=history).collect(requests(LongTask(), 1))
    newest = tuple(f"wait({step})" for step in range(8 - history, 8))
    assert policy.prompts[-1].history == newest
    shown = [line for line in played.turns[-1].prompt.split("\n") if line.startswith("Done: ")]
    assert shown == ([f"Done: {' ; '.join(newest)}"] if history else [])


def test_token_ids_and_log_probabilities_pass_through_as_they_are() -> None:
    (played,) = play(Says(lambda prompt: "wait(1)" if prompt.step < 1 else "done()"), requests("toy/press", 1))
    assert [turn.prompt_ids for turn in played.turns] == [(1, 0), (1, 1)]
    assert {(turn.completion_ids, turn.logprobs) for turn in played.turns} == {((2, 3), (-0.5, -0.25))}
    assert played.turns[0].prompt.startswith("Task: Press")


@pytest.mark.parametrize(("times", "verdicts"), [(1, ["failure"]), (2, ["failure"]), (3, [])])
@pytest.mark.parametrize("at_turn", [0, 1])
def test_a_failed_machine_is_an_outcome_without_a_score_and_the_episode_is_played_again(
    times: int, verdicts: list[str], at_turn: int
) -> None:
    world = ToyWorld(num_slots=2)
    faults = iter(range(times))

    def answer(prompt: Prompt) -> str:
        if prompt.step == at_turn and next(faults, None) is not None:
            world.fail(0, SessionCrashedError("gone"))
        return "wait(1)" if prompt.step < 2 else "done()"

    collector = Collector(world, Says(answer), retries=2)
    played = list(collector.collect(requests("toy/press", 1)))

    failures = [each for each in played if each.outcome == "infrastructure"]
    assert len(failures) == collector.stats.infrastructure_failures == times
    for each in failures:
        assert (each.score, each.reason, len(each.turns)) == (None, "session_crashed: gone", at_turn + 1)
        with pytest.raises(ValueError, match="no reward"):
            _ = each.reward
    assert [each.outcome for each in played if each not in failures] == verdicts


def test_an_episode_that_never_starts_is_tried_again_and_then_given_up() -> None:
    world = ToyWorld(num_slots=1)
    played = Collector(world, OraclePolicy(), retries=1).collect(requests("toy/press", 1))
    world.fail(0, SessionCrashedError("gone"))
    assert (first := next(played)).outcome == "infrastructure"
    assert first.turns == ()
    world.fail(0, SessionCrashedError("gone"))
    assert [each.outcome for each in played] == ["infrastructure"]


def test_one_failed_slot_leaves_the_others_alone_and_a_crash_of_all_is_survived() -> None:
    world = ToyWorld(num_slots=4)
    world.fail(2, SessionCrashedError("gone"))
    played = list(Collector(world, OraclePolicy()).collect(requests("toy/fill", 8)))
    assert sorted(each.outcome for each in played) == ["infrastructure"] + ["success"] * 8

    turns = iter(range(100))
    collector = Collector(world, OraclePolicy(), on_turns=lambda _: world.crash() if next(turns) == 0 else None)
    played = list(collector.collect(requests("toy/fill", 8)))
    assert sorted(each.outcome for each in played) == ["infrastructure"] * 4 + ["success"] * 8


def test_a_judge_that_cannot_tell_is_infrastructure() -> None:
    played = play(Says(lambda _: "click(0)"), requests(UnjudgedTask(), 1))
    assert {(each.outcome, each.score, each.reason) for each in played} == {
        ("infrastructure", None, "the judge was asleep")
    }
    assert len(played) == 3


def test_what_is_played_does_not_depend_on_slots_or_order() -> None:
    wanted = requests("toy/press", 9) + requests("toy/fill", 9)

    def outcome(slots: int, asked: list[EpisodeRequest]) -> dict[EpisodeKey, Trajectory]:
        return {each.key: each for each in play(RandomPolicy(seed=5), asked, slots=slots)}

    assert outcome(1, wanted) == outcome(4, wanted) == outcome(7, wanted[::-1])


def test_requests_are_taken_as_slots_become_free() -> None:
    taken: list[int] = []

    def endless() -> Iterator[EpisodeRequest]:
        for request in requests("toy/press", 1000):
            taken.append(request.key.seed)
            yield request

    played = Collector(ToyWorld(num_slots=3), OraclePolicy()).collect(endless())
    assert taken == []
    for ended in range(1, 30):
        next(played)
        assert taken == list(range(len(taken)))
        assert len(taken) <= ended + 3 + 3 * LOOKED_AHEAD


def test_no_requests_is_no_play() -> None:
    assert play(RandomPolicy(), []) == []


def test_every_episode_is_forgotten_also_when_the_caller_stops_or_something_raises() -> None:
    policy = Says(lambda prompt: "done()" if prompt.key.seed == 0 else "wait(1)")
    played = Collector(ToyWorld(num_slots=3), policy).collect(requests("toy/press", 9))
    assert next(played).key.seed == 0
    del played  # nobody wants the rest
    assert {key.seed for key in policy.forgotten} == {0, 1, 2}

    def bug(prompt: Prompt) -> str:
        raise ZeroDivisionError(prompt.key.seed)

    broken = Says(bug)
    with pytest.raises(ZeroDivisionError):
        play(broken, requests("toy/press", 9))
    assert {key.seed for key in broken.forgotten} == {0, 1, 2}


CALLS = st.sampled_from(
    ("click(", ")", "fill(0, ", '"', "\\u", "\\ud800", "1", "٣", ",", "=", "button", "\n", "done()")
)
TEXT = st.lists(CALLS | st.text(st.characters(), max_size=6), max_size=12).map("".join)


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_whatever_a_model_writes_is_a_turn(texts: list[str]) -> None:
    (played,) = play(Says(lambda prompt: texts[prompt.step % len(texts)]), requests("toy/fill", 1))

    assert played.outcome != "infrastructure"
    assert 1 <= len(played.turns) <= TOY["toy/fill"].max_steps
    for turn, text in zip(played.turns, texts * 5, strict=False):
        assert turn.completion == text
        assert str(parse(turn.action)) == turn.action if turn.action else turn.error


def test_an_untrained_model_plays_to_the_end_of_every_episode(tiny_checkpoint: Path) -> None:
    policy = TransformersPolicy.from_pretrained(tiny_checkpoint, device="cpu", max_new_tokens=5)
    torch.manual_seed(0)

    played = play(policy, requests("toy/press", 4) + requests("toy/fill", 4), slots=8)

    assert len(played) == 8
    turns = [turn for each in played for turn in each.turns]
    assert {each.outcome for each in played} <= {"failure", "truncated", "success"}
    assert all(len(turn.completion_ids) == len(turn.logprobs) for turn in turns)
    assert any(turn.error for turn in turns)


def test_an_episode_says_what_parted_its_session_from_the_machine() -> None:
    class Walled(ToyWorld):
        def isolation(self, slot: int) -> str:
            return f"wall {slot}"

    requests = [EpisodeRequest(EpisodeKey("toy/press", seed), TOY["toy/press"]) for seed in range(2)]
    found = list(Collector(Walled(num_slots=2), OraclePolicy()).collect(requests))
    assert {each.isolation for each in found} == {"wall 0", "wall 1"}
