"""GRPO on TRL, fed with episodes: one row a turn.

`AgentGRPOTrainer` replaces what TRL's `GRPOTrainer` does between optimiser steps, generating completions and scoring
them, by playing groups of episodes. Loss, clipping, KL, mixed precision, LoRA, checkpoints and logging stay TRL's; one
process learns, however many play. What it relies on there is held by a test, so that an upgrade fails in one place:
`_generate_and_score_completions` returns a batch that `_prepare_inputs` shuffles, cuts into ``steps_per_generation``
slices and keeps as ``_buffered_inputs``, and `_compute_loss` reads the keys that `rows_to_batch` makes.

The rows of one optimiser step are spread over its slices by length, and each slice is cut to its longest row: the step
is the same, without most of the padding (not quite where TRL averages within a slice: ``loss_type="bnpo"``, a bonus for
entropy, ``top_entropy_quantile``). On the CPU, tokens are scored here rather than by TRL.

Departs from the GRPO paper: advantages are not divided by the standard deviation; groups whose episodes all got the
same reward give no rows.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from agentgym.episode import EpisodeKey, Trajectory
from agentgym.rollout.collector import EpisodeRequest
from agentgym.task import TEST_SEEDS
from agentgym.train.advantage import Estimator, group_advantages
from agentgym.train.rows import MIN_ADVANTAGE, Row, rows_to_batch, slices_by_length

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agentgym.rollout.collector import EpisodeSource
    from agentgym.task import Task


@dataclass(frozen=True)
class Generation:
    """What one round of playing gave."""

    index: int
    trajectories: tuple[Trajectory, ...]
    """All of them, also those that the machine failed."""
    rows: int
    """Turns that were learnt from."""
    seconds: float

    @property
    def judged(self) -> list[Trajectory]:
        """The trajectories that have a reward."""
        return [each for each in self.trajectories if each.outcome != "infrastructure"]


@dataclass(frozen=True)
class Schedule:
    """Which groups are played when: a pure function of seed and generation, so that a resumed run repeats it."""

    tasks: Sequence[Task]
    groups: int
    """Groups a generation."""
    group_size: int
    seed: int

    def requests(self, generation: int) -> Iterator[EpisodeRequest]:
        """Yield the episodes of a generation; tasks take turns, every group has a seed of its own."""
        start = self.seed * 7_919 * self.groups  # runs of different seeds meet different instances
        for group in range(generation * self.groups, (generation + 1) * self.groups):
            task = self.tasks[group % len(self.tasks)]
            for attempt in range(self.group_size):
                yield EpisodeRequest(EpisodeKey(task.id, (start + group) % TEST_SEEDS, attempt), task)


@dataclass
class _Groups:
    """Trajectories by group, as they come in."""

    members: dict[tuple[str, int], list[Trajectory]] = field(default_factory=lambda: defaultdict(list))

    def add(self, trajectory: Trajectory) -> None:
        if trajectory.outcome != "infrastructure":
            self.members[trajectory.key.task_id, trajectory.key.seed].append(trajectory)

    def rows(self, estimator: Estimator) -> list[Row]:
        """Return the turns worth learning from, in an order that does not depend on the order of arrival."""
        rows = []
        for key in sorted(self.members):
            group = sorted(self.members[key], key=lambda each: each.key.attempt)
            advantages = group_advantages([each.reward for each in group], estimator)
            for trajectory, advantage in zip(group, advantages, strict=True):
                if abs(advantage) > MIN_ADVANTAGE:
                    rows += [Row(turn, advantage) for turn in trajectory.turns if turn.completion_ids]
        return rows


class AgentGRPOTrainer(GRPOTrainer):  # type: ignore[misc]  # TRL is not typed
    """GRPO whose completions come from episodes.

    Args:
        model: a causal language model; trained in place.
        processing_class: its tokenizer.
        args: TRL's configuration; ``steps_per_generation`` and ``gradient_accumulation_steps`` say how many optimiser
            steps are taken a generation.
        source: plays episodes with the model.
        schedule: which.
        estimator: how advantages are computed.
        on_generation: called after each round of playing.
        before_collect: called before each round, with the generation; hands new weights to workers elsewhere.
        callbacks: further ones, as transformers takes them.
    """

    _buffered_inputs: list[dict[str, torch.Tensor]] | None

    def __init__(
        self,
        *,
        model: Any,
        processing_class: Any,
        args: GRPOConfig,
        source: EpisodeSource,
        schedule: Schedule,
        estimator: Estimator = "grpo",
        on_generation: Callable[[Generation], None] | None = None,
        before_collect: Callable[[int], None] | None = None,
        callbacks: list[Any] | None = None,
    ) -> None:
        # TRL wants a data set and a reward; both are only counted, never read.
        rows = Dataset.from_dict({"prompt": ["episodes"] * max(1024, args.generation_batch_size or 1)})
        super().__init__(
            model=model,
            processing_class=processing_class,
            args=args,
            train_dataset=rows,
            reward_funcs=[_episodes_are_scored],
            callbacks=callbacks,
        )
        self._source = source
        self._schedule = schedule
        self._estimator: Estimator = estimator
        self._on_generation = on_generation
        self._before_collect = before_collect

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, torch.Tensor]:
        """Return the next slice of a generation's rows; called by TRL for each."""
        former = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        if self._buffered_inputs is not None and self._buffered_inputs is not former:
            window = math.gcd(self.args.steps_per_generation, self.args.gradient_accumulation_steps)
            self._buffered_inputs = slices_by_length(self._buffered_inputs, window)
            inputs = self._buffered_inputs[self._step % self.args.steps_per_generation]
        return inputs  # type: ignore[no-any-return]  # TRL is not typed

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write none: TRL's would name neither the model nor how it was trained."""

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Play one generation and return its rows; called by TRL when the former ones are used up."""
        del inputs
        index = self.state.global_step // optimizer_steps_per_generation(**vars(self.args))
        # Sampling repeats where sessions answer in the same order.
        torch.manual_seed(self._schedule.seed * 1_000_003 + index)
        if self._before_collect is not None:
            self._before_collect(index)
        began = time.perf_counter()
        groups, trajectories = _Groups(), []
        for trajectory in self._source.collect(self._schedule.requests(index)):
            groups.add(trajectory)
            trajectories.append(trajectory)
        rows = groups.rows(self._estimator)
        batch = rows_to_batch(rows, pad_id=self.processing_class.pad_token_id, multiple=self.args.steps_per_generation)
        self._note(Generation(index, tuple(trajectories), len(rows), time.perf_counter() - began))
        batch = {key: value.to(self.accelerator.device) for key, value in batch.items()}
        if self.beta:
            batch["ref_per_token_logps"] = self._reference_logps(batch)
        return batch

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        *,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **options: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Return log-probabilities and entropies of the last tokens, (N, C) each, as TRL's method does.

        On a GPU TRL scores the sampled tokens alone, elsewhere every token of every prompt against the whole
        vocabulary, which takes several times as long as the rest of the step. Text on the CPU is scored here.
        """
        further = any(value is not None and value is not False for value in options.values())
        if input_ids.device.type != "cpu" or further or self.args.cast_lm_head_to_fp32:
            options |= {"batch_size": batch_size, "compute_entropy": compute_entropy}
            return super()._get_per_token_logps_and_entropies(  # type: ignore[no-any-return]  # TRL is not typed
                model, input_ids, attention_mask, logits_to_keep, **options
            )
        size = batch_size or len(input_ids)
        logprobs, entropies = [], []
        for ids, mask in zip(torch.split(input_ids, size), torch.split(attention_mask, size), strict=True):
            with self.accelerator.autocast():
                output = model(input_ids=ids, attention_mask=mask, logits_to_keep=logits_to_keep + 1, use_cache=False)
            every = (output.logits[:, -logits_to_keep - 1 : -1].float() / self.temperature).log_softmax(-1)  # (n, C, V)
            padding = mask[:, -logits_to_keep:] == 0  # (n, C)
            chosen = every.gather(-1, ids[:, -logits_to_keep:].unsqueeze(-1)).squeeze(-1)  # (n, C)
            logprobs.append(chosen.masked_fill(padding, 0))
            if compute_entropy:
                entropies.append(-(every.exp() * every).sum(-1).masked_fill(padding, 0))
        return torch.cat(logprobs), torch.cat(entropies) if compute_entropy else None, None

    def _reference_logps(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the reference model's log-probabilities of the sampled tokens, (N, C), for TRL's KL term."""
        with torch.no_grad():
            logprobs, _, _ = self._get_per_token_logps_and_entropies(
                self.ref_model,
                torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1),
                torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1),
                batch["completion_ids"].size(1),
                batch_size=self.args.per_device_train_batch_size,
            )
        return logprobs

    def _note(self, generation: Generation) -> None:
        judged = generation.judged
        metrics = self._metrics["train"]
        metrics["episodes/success"].append(sum(each.success for each in judged) / max(1, len(judged)))
        metrics["episodes/reward"].append(sum(each.reward for each in judged) / max(1, len(judged)))
        metrics["episodes/steps"].append(sum(len(each.turns) for each in judged) / max(1, len(judged)))
        metrics["episodes/infrastructure"].append(float(len(generation.trajectories) - len(judged)))
        metrics["episodes/rows"].append(float(generation.rows))
        if self._on_generation is not None:
            self._on_generation(generation)


def optimizer_steps_per_generation(
    *, steps_per_generation: int, num_iterations: int, gradient_accumulation_steps: int, **_: Any
) -> int:
    """Return how many optimiser steps are taken on what one round of playing gave.

    Args:
        steps_per_generation: slices that a generation's rows are cut into.
        num_iterations: how often each is learnt from.
        gradient_accumulation_steps: slices an optimiser step.

    Raises:
        ValueError: a generation does not end with an optimiser step.
    """
    if min(steps_per_generation, num_iterations, gradient_accumulation_steps) < 1:
        raise ValueError("steps_per_generation, num_iterations and gradient_accumulation_steps must be at least 1.")
    slices = steps_per_generation * num_iterations
    if slices % gradient_accumulation_steps:
        raise ValueError(
            f"steps_per_generation * num_iterations ({slices}) must be a multiple of gradient_accumulation_steps "
            f"({gradient_accumulation_steps})."
        )
    return slices // gradient_accumulation_steps


def _episodes_are_scored(**_: Any) -> list[float]:
    """Stand in for TRL's reward function, which is never called: episodes carry their scores."""
    raise AssertionError("rewards come from episodes")
