"""The trainer: what it relies on in TRL, and what one optimiser step does to a tiny real model."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from agentgym.episode import EpisodeKey, Trajectory
from agentgym.policy.transformers import TransformersPolicy
from agentgym.rollout.collector import Collector, EpisodeRequest
from agentgym.train.config import TrainConfig
from agentgym.train.folder import RunFolder
from agentgym.train.learner import grpo_arguments
from agentgym.train.rows import Row, rows_to_batch
from agentgym.train.trainer import AgentGRPOTrainer, Generation, Schedule, optimizer_steps_per_generation
from tests.learning import SGD, Replay
from tests.toy_world import TOY, ToyWorld

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PRESS = TOY["toy/press"]
GROUPS, GROUP_SIZE = 2, 4

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def played(toy_player: Path) -> list[Trajectory]:
    """Groups of one-turn episodes as the model sampled them; in each, every other one counts as a success."""
    policy = TransformersPolicy.from_pretrained(toy_player, device="cpu", max_new_tokens=8)
    torch.manual_seed(0)
    keys = [EpisodeKey(PRESS.id, seed, attempt) for seed in range(GROUPS) for attempt in range(GROUP_SIZE)]
    collected = Collector(ToyWorld(num_slots=8), policy).collect([EpisodeRequest(key, PRESS) for key in keys])
    first_turns = {each.key: each.turns[:1] for each in collected}
    return [judged(Trajectory(key, "", first_turns[key], "failure", 0.0), key.attempt % 2) for key in keys]


def judged(trajectory: Trajectory, score: float) -> Trajectory:
    return replace(trajectory, score=float(score), outcome="success" if score == 1 else "failure", penalty=0.0)


def failed_by_the_machine(trajectory: Trajectory) -> Trajectory:
    return replace(trajectory, score=None, outcome="infrastructure", reason="session_crashed: gone", turns=())


def make_trainer(
    checkpoint: Path,
    folder: Path,
    trajectories: Sequence[Trajectory],
    *,
    generations: int = 1,
    temperature: float = 1.0,
    **grpo: Any,
) -> tuple[AgentGRPOTrainer, list[Generation]]:
    """A trainer on the CPU, as a run makes it, and the list in which it notes its generations."""
    config = TrainConfig(
        model=str(checkpoint),
        tasks=(),
        generations=generations,
        group_size=8,
        temperature=temperature,
        max_new_tokens=8,
        grpo={**SGD, **grpo},
    )
    noted: list[Generation] = []
    trainer = AgentGRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(checkpoint),
        args=grpo_arguments(config, RunFolder(folder)),
        source=Replay(trajectories),
        schedule=Schedule([PRESS], GROUPS, GROUP_SIZE, seed=0),
        on_generation=noted.append,
    )
    return trainer, noted


def weights(model: Any) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


def update(trainer: Any) -> Weights:
    """Train, and return by how much each parameter moved."""
    before = weights(trainer.model)
    trainer.train()
    return {name: tensor - before[name] for name, tensor in weights(trainer.model).items()}


def largest(moved: Weights) -> float:
    return max(tensor.abs().max().item() for tensor in moved.values())


def difference(one: Weights, other: Weights) -> float:
    assert one.keys() == other.keys()
    return largest({name: one[name] - other[name] for name in one})


def logprob(model: Any, trajectory: Trajectory) -> float:
    """Log-probability of the completion of a one-turn episode, summed over its tokens."""
    (turn,) = trajectory.turns
    ids = torch.tensor([[*turn.prompt_ids, *turn.completion_ids]])
    with torch.no_grad():
        logprobs = model.eval()(input_ids=ids).logits[0].log_softmax(-1)  # (T, V)
    start = len(turn.prompt_ids)
    return float(sum(logprobs[start - 1 + place, token].item() for place, token in enumerate(turn.completion_ids)))


def test_trl_reads_the_keys_that_are_known() -> None:
    source = inspect.getsource(GRPOTrainer._compute_loss)
    needed = set(re.findall(r'inputs\["(\w+)"\]', source))
    always = {"prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "advantages", "num_items_in_batch"}
    only_with_settings = {"ref_per_token_logps", "importance_sampling_ratio", "tool_mask"}
    assert needed == always | only_with_settings
    assert 'inputs.get("old_per_token_logps")' in source
    assert rows_to_batch([], pad_id=0, multiple=1).keys() == always | {"old_per_token_logps"}


def test_trl_shuffles_a_generation_and_cuts_it_into_slices(
    toy_player: Path, played: list[Trajectory], tmp_path: Path
) -> None:
    trainer, noted = make_trainer(
        toy_player, tmp_path, played, steps_per_generation=4, gradient_accumulation_steps=2, generations=2
    )
    trainer.model.train()
    slices = []
    for step in range(4):
        trainer._step = step
        slices.append(trainer._prepare_inputs([]))
    assert len(noted) == 1  # played once for all slices
    assert optimizer_steps_per_generation(**vars(trainer.args)) == 2
    assert [each["completion_ids"].shape[0] for each in slices] == [2, 2, 2, 2]
    rows = [Row(each.turns[0], 1.0) for each in played]
    whole = rows_to_batch(rows, pad_id=0, multiple=4)["completion_mask"].shape[1]
    assert all(each["num_items_in_batch"] == noted[0].rows * whole for each in slices)
    for window in (slices[:2], slices[2:]):  # by length, without columns of padding
        lengths = torch.cat([each["prompt_mask"].sum(1) for each in window])
        assert lengths.tolist() == sorted(lengths.tolist())
    assert all(each["prompt_mask"].sum(1).max() == each["prompt_ids"].shape[1] for each in slices)
    cut = [sampled for each in slices for sampled in sampled_tokens(each)]
    as_played = [(row.turn.prompt_ids, row.turn.completion_ids) for row in rows]
    assert cut != as_played
    assert sorted(cut) == sorted(as_played)


def sampled_tokens(batch: dict[str, torch.Tensor]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Prompt and completion of each row without their padding."""
    prompts, completions = (
        [tuple(ids[seen].tolist()) for ids, seen in zip(batch[side + "_ids"], batch[side + "_mask"] > 0, strict=True)]
        for side in ("prompt", "completion")
    )
    return list(zip(prompts, completions, strict=True))


def test_one_step_makes_better_completions_likelier(toy_player: Path, played: list[Trajectory], tmp_path: Path) -> None:
    wanted = played[0].turns[0].completion  # judged by the text: the same one has the same advantage in each group
    rewarded = [judged(each, each.turns[0].completion == wanted) for each in played]
    trainer, noted = make_trainer(toy_player, tmp_path, rewarded)
    before = [logprob(trainer.model, each) for each in rewarded]
    trainer.train()
    gains = [logprob(trainer.model, each) - old for each, old in zip(rewarded, before, strict=True)]
    assert noted[0].rows > 0
    assert all(gain > 0 for gain, each in zip(gains, rewarded, strict=True) if each.success)
    assert all(gain < 0 for gain, each in zip(gains, rewarded, strict=True) if not each.success)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # TRL's own generation asks for it
@pytest.mark.parametrize("loss", ["grpo", "dr_grpo", "dapo", "sapo"])
def test_one_turn_tasks_are_learnt_exactly_as_by_trl_itself(
    toy_player: Path, played: list[Trajectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    ours = update(make_trainer(toy_player, tmp_path / "ours", played, loss_type=loss)[0])
    turns = [each.turns[0] for each in played]

    def rollout(prompts: list[str], _: Any) -> dict[str, list[Any]]:
        assert len(prompts) == len(turns)
        return {
            "prompt_ids": [list(turn.prompt_ids) for turn in turns],
            "completion_ids": [list(turn.completion_ids) for turn in turns],
            "logprobs": [list(turn.logprobs) for turn in turns],
            "score": [each.score for each in played],
        }

    def reward(score: list[float], **_: Any) -> list[float]:
        return score

    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(toy_player, dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(toy_player),
        args=GRPOConfig(
            **{**SGD, "loss_type": loss},
            output_dir=str(tmp_path / "trl"),
            scale_rewards="none",
            beta=0.0,
            max_steps=1,
            per_device_train_batch_size=len(turns),
            num_generations=GROUP_SIZE,
            steps_per_generation=1,
            max_completion_length=8,
            bf16=False,
            activation_checkpointing=False,
            use_cpu=True,
            dataloader_pin_memory=False,
            save_strategy="no",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict({"prompt": ["played before"] * GROUPS}),
        reward_funcs=[reward],
        rollout_func=rollout,
    )
    theirs = update(trainer)
    assert largest(theirs) > 1e-3
    assert difference(ours, theirs) < 1e-5


@pytest.mark.parametrize("size", [None, 3])
def test_tokens_are_scored_as_by_trl(
    toy_player: Path, played: list[Trajectory], tmp_path: Path, size: int | None
) -> None:
    trainer, _ = make_trainer(toy_player, tmp_path, played, temperature=0.7)
    batch = rows_to_batch([Row(each.turns[0], 1.0) for each in played], pad_id=0, multiple=4)
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    for bonus in (0.0, 0.1):  # a bonus for entropy makes it part of the loss
        found = []
        for scoring in (AgentGRPOTrainer, GRPOTrainer):
            logprobs, entropies, _ = scoring._get_per_token_logps_and_entropies(
                trainer,
                trainer.model,
                ids,
                mask,
                batch["completion_ids"].shape[1],
                batch_size=size,
                compute_entropy=True,
            )
            assert entropies is not None
            trainer.model.zero_grad()
            (logprobs.sum() + bonus * entropies.sum()).backward()
            gradients = {name: each.grad.clone() for name, each in trainer.model.named_parameters()}
            found.append((logprobs, entropies, gradients))
        (logprobs, entropies, gradients), theirs = found
        assert torch.allclose(logprobs, theirs[0], atol=1e-5)
        assert torch.allclose(entropies, theirs[1], atol=1e-5)
        assert difference(gradients, theirs[2]) < 1e-3 * largest(theirs[2])


def test_slices_and_rows_that_fill_them_up_change_nothing(
    toy_player: Path, played: list[Trajectory], tmp_path: Path
) -> None:
    seven = played[:-1]  # the last group has three members left, and four slices need a row to fill up
    whole = update(make_trainer(toy_player, tmp_path / "whole", seven)[0])
    sliced = update(
        make_trainer(toy_player, tmp_path / "cut", seven, steps_per_generation=4, gradient_accumulation_steps=4)[0]
    )
    assert largest(whole) > 1e-3
    assert difference(whole, sliced) < 1e-5


@pytest.mark.parametrize("optim", ["sgd", "adamw_torch"])
def test_a_generation_of_equals_changes_no_parameter(
    toy_player: Path, played: list[Trajectory], tmp_path: Path, optim: str
) -> None:
    trainer, noted = make_trainer(toy_player, tmp_path, [judged(each, 1) for each in played], optim=optim)
    moved = update(trainer)
    assert noted[0].rows == 0
    assert largest(moved) == 0  # also not NaN


def test_what_the_machine_failed_is_counted_and_not_learnt_from(
    toy_player: Path, played: list[Trajectory], tmp_path: Path
) -> None:
    failures = [failed_by_the_machine(each) for each in played[:3]]
    trainer, noted = make_trainer(toy_player, tmp_path, [*failures, *played])
    moved = update(trainer)
    assert noted[0].rows == len(played) == len(noted[0].judged)
    logged = trainer.state.log_history[0]
    assert (logged["episodes/infrastructure"], logged["episodes/success"], logged["episodes/rows"]) == (3, 0.5, 8)
    assert difference(moved, update(make_trainer(toy_player, tmp_path / "without", played)[0])) == 0


def test_a_penalty_for_divergence_starts_at_none(toy_player: Path, played: list[Trajectory], tmp_path: Path) -> None:
    trainer, _ = make_trainer(toy_player, tmp_path, played, beta=0.1)
    moved = update(trainer)
    assert trainer.state.log_history[0]["kl"] == pytest.approx(0, abs=1e-4)
    assert difference(moved, update(make_trainer(toy_player, tmp_path / "without", played)[0])) < 1e-4


def test_the_schedule_repeats_itself_and_differs_by_generation_and_seed() -> None:
    def keys(seed: int, generation: int) -> list[EpisodeKey]:
        return [each.key for each in Schedule(TOY.tasks, 4, 2, seed).requests(generation)]

    assert keys(0, 1) == keys(0, 1)
    assert len(set(keys(0, 1))) == 8
    assert {key.task_id for key in keys(0, 1)} == {"toy/press", "toy/fill"}
    assert not {key.seed for key in keys(0, 0)} & {key.seed for key in keys(0, 1)}
    assert not {key.seed for key in keys(0, 0)} & {key.seed for key in keys(1, 0)}
