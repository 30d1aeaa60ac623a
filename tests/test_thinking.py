"""Thought before an action: where it may begin, how it ends, and that what was forced is not learnt from."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from agentgym.episode import EpisodeKey, Trajectory
from agentgym.observation import Element, Observation
from agentgym.policy.base import Prompt
from agentgym.policy.chat import ChatEncoder
from agentgym.policy.transformers import TransformersPolicy
from agentgym.rollout.collector import Collector, EpisodeRequest
from agentgym.train.rows import Row, rows_to_batch
from tests.learning import largest, make_trainer, update
from tests.tiny_families import CHATML, FAMILIES, Family
from tests.toy_world import TOY, ToyWorld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUDGET, ANSWER = 6, 6
PRESS = TOY["toy/press"]
ASKED = Prompt(EpisodeKey(PRESS.id, 0), PRESS, Observation("Press it.", (Element(3, "button", "elm"),)))
THINKERS = ("Qwen3", "Nemotron 3", "gpt-oss")  # a thought that the model opens, one that the template opens, channels
FORCED = {"Qwen3": "\n</think>\n\n", "Nemotron 3": "\n</think>\n\n"}
FORCED["gpt-oss"] = "<|end|><|start|>assistant<|channel|>final<|message|>"
OPENING = {"Qwen3": "<think>", "Nemotron 3": "", "gpt-oss": "<|channel|>analysis<|message|>"}
CLOSING = {"Qwen3": "</think>", "Nemotron 3": "</think>", "gpt-oss": FORCED["gpt-oss"]}


def family(name: str) -> Family:
    return next(each for each in FAMILIES if each.name == name)


@pytest.fixture(scope="module", params=THINKERS)
def thinker(request: pytest.FixtureRequest) -> tuple[str, TransformersPolicy]:
    return request.param, make_policy(family(request.param))


def make_policy(of: Family, *, tokens: int = BUDGET, **options: Any) -> TransformersPolicy:
    return TransformersPolicy(of.model(), of.tokenizer(), thinking_tokens=tokens, max_new_tokens=ANSWER, **options)


def ids_of(policy: TransformersPolicy, text: str) -> list[int]:
    return list(policy.tokenizer(text, add_special_tokens=False)["input_ids"])


@contextmanager
def saying(policy: TransformersPolicy, tokens: list[int]) -> Iterator[None]:
    """Let the model want these tokens, one a step, and its end after them."""
    step = iter(tokens)

    def want(_module: Any, _inputs: Any, logits: torch.Tensor) -> torch.Tensor:
        logits[..., next(step, policy.tokenizer.eos_token_id)] = 1e4
        return logits

    hook = policy.model.get_output_embeddings().register_forward_hook(want)
    try:
        yield
    finally:
        hook.remove()


def test_a_thought_that_ends_by_itself_is_told_from_the_answer(thinker: tuple[str, TransformersPolicy]) -> None:
    name, policy = thinker
    thought = ids_of(policy, OPENING[name]) + ids_of(policy, "the") + ids_of(policy, CLOSING[name])
    roomy = make_policy(family(name), tokens=len(thought))
    with saying(roomy, [*thought, *ids_of(policy, "click(3)")]):
        (found,) = roomy.complete([ASKED])
    assert found.text == "click(3)"
    assert found.thought == f"{OPENING[name]}the{CLOSING[name]}"
    assert found.forced == ()
    assert list(found.ids[: len(thought)]) == thought
    assert found.ids[-1] == policy.tokenizer.eos_token_id


def test_a_thought_is_cut_at_its_budget_and_the_action_follows(thinker: tuple[str, TransformersPolicy]) -> None:
    name, policy = thinker
    opening, forced = ids_of(policy, OPENING[name]), ids_of(policy, FORCED[name])
    thought = [*opening, *ids_of(policy, "the") * BUDGET][:BUDGET]
    with saying(policy, [*thought, *[0] * len(forced), *ids_of(policy, "click(3)")]):
        (found,) = policy.complete([ASKED])
    assert found.text == "click(3)"
    assert found.forced == tuple(range(BUDGET, BUDGET + len(forced)))
    assert list(found.ids[: BUDGET + len(forced)]) == [*thought, *forced]
    assert all(found.logprobs[place] == 0 for place in found.forced)
    assert found.thought.startswith(f"{OPENING[name]}the")
    assert found.thought.endswith(FORCED[name])


def test_an_answer_after_a_thought_has_its_own_budget(thinker: tuple[str, TransformersPolicy]) -> None:
    name, policy = thinker
    thought = [*ids_of(policy, OPENING[name]), *ids_of(policy, "the") * BUDGET][:BUDGET]
    with saying(policy, [*thought, *ids_of(policy, "the") * 100]):
        (found,) = policy.complete([ASKED])
    assert len(found.ids) == BUDGET + len(found.forced) + ANSWER


@pytest.mark.parametrize("name", ["Qwen3", "gpt-oss"])
def test_an_action_may_come_without_a_thought(name: str) -> None:
    policy = make_policy(family(name), tokens=1)  # it would be cut at once
    with saying(policy, ids_of(policy, "click(3)")):
        (found,) = policy.complete([ASKED])
    assert (found.text, found.thought, found.forced) == ("click(3)", "", ())


@pytest.mark.parametrize("tokens", [1, 3, 9])
def test_all_but_forced_tokens_are_as_likely_as_the_model_says(
    thinker: tuple[str, TransformersPolicy], tokens: int
) -> None:
    name, _ = thinker
    policy = make_policy(family(name), tokens=tokens)
    torch.manual_seed(tokens)
    prompts = [replace(ASKED, observation=Observation("Press it" + " again" * number)) for number in range(4)]
    for found in policy.complete(prompts):
        ids = torch.tensor([[*found.prompt_ids, *found.ids]])
        with torch.no_grad():
            logits = policy.model(input_ids=ids).logits[0, len(found.prompt_ids) - 1 : -1].log_softmax(-1)
        for place, (token, logprob) in enumerate(zip(found.ids, found.logprobs, strict=True)):
            if place not in found.forced:
                assert logprob == pytest.approx(logits[place, token].item(), abs=1e-4)
        assert len(found.ids) <= tokens + len(ids_of(policy, FORCED[name])) + ANSWER


@pytest.mark.parametrize(
    ("name", "thinking", "ending"),
    [
        ("Qwen3", False, "<|im_start|>assistant\n<think>\n\n</think>\n\n"),
        ("Qwen3", True, "<|im_start|>assistant\n"),
        ("Nemotron 3", False, "<|im_start|>assistant\n<think>\n\n</think>\n\n"),  # its template opens one all the same
        ("Nemotron 3", True, "<|im_start|>assistant\n<think>\n"),
        ("gpt-oss", False, "<|start|>assistant<|channel|>final<|message|>"),
        ("gpt-oss", True, "<|start|>assistant"),
        ("Llama", False, "<|im_start|>assistant\n"),
    ],
)
def test_a_prompt_ends_where_a_thought_or_the_answer_begins(name: str, thinking: bool, ending: str) -> None:
    tokenizer = family(name).tokenizer()
    encoder = ChatEncoder(tokenizer, "The rules.", thinking=thinking)
    text = tokenizer.decode(encoder.encode("Task: go"))
    assert text.endswith(ending)
    assert text.count("Task: go") == text.count("The rules.") == 1
    assert encoder.opened == (thinking and name == "Nemotron 3")


def test_a_model_whose_template_knows_no_thought_is_told_of_it() -> None:
    plain = replace(family("Qwen3"), template=CHATML, tokens=())
    with_thought, without = (plain.tokenizer().decode(make_policy(plain, tokens=tokens).encode(ASKED).prompt_ids)
                             for tokens in (BUDGET, 0))  # fmt: skip
    assert "you may think, between <think> and </think>" in with_thought
    assert "think" not in without


def test_what_was_forced_is_not_learnt_from_and_the_thought_is(tmp_path: Path) -> None:
    of = family("Nemotron 3")
    folder = of.save(tmp_path / "model")
    policy = TransformersPolicy.from_pretrained(folder, device="cpu", thinking_tokens=BUDGET, max_new_tokens=ANSWER)
    torch.manual_seed(0)
    requests = [EpisodeRequest(EpisodeKey(PRESS.id, 0, attempt), PRESS) for attempt in range(4)]
    played = sorted(Collector(ToyWorld(num_slots=4), policy).collect(requests), key=lambda each: each.key.attempt)
    judged = [replace(each, turns=each.turns[:1], score=float(each.key.attempt % 2), penalty=0.0) for each in played]
    turns = [each.turns[0] for each in judged]
    assert all(turn.forced == (BUDGET, BUDGET + 1, BUDGET + 2) for turn in turns)
    batch = rows_to_batch([Row(turn, 1.0) for turn in turns], pad_id=0, multiple=4)
    assert batch["num_items_in_batch"] == sum(len(turn.completion_ids) - 3 for turn in turns)
    assert [row.tolist().index(0) for row in batch["tool_mask"]] == [BUDGET] * 4
    assert (batch["tool_mask"] == 0).sum() == 3 * 4

    def moved(changed: list[Trajectory], name: str) -> dict[str, torch.Tensor]:
        return update(make_trainer(folder, tmp_path / name, changed)[0])

    def with_logprobs(each: Trajectory, places: range) -> Trajectory:
        (turn,) = each.turns
        changed = tuple(value + (0.5 if place in places else 0.0) for place, value in enumerate(turn.logprobs))
        return replace(each, turns=(replace(turn, logprobs=changed),))

    as_played = moved(judged, "played")
    forced = moved([with_logprobs(each, range(BUDGET, BUDGET + 3)) for each in judged], "forced")
    thought = moved([with_logprobs(each, range(BUDGET)) for each in judged], "thought")
    assert largest(as_played) > 0
    assert largest({name: as_played[name] - forced[name] for name in as_played}) == 0
    assert largest({name: as_played[name] - thought[name] for name in as_played}) > 1e-6
