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
same reward give no rows. With ``refill`` others are played in their place, as in DAPO's dynamic sampling (Q. Yu et al.
2025, arXiv:2503.14476).
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from agentgym.episode import EpisodeKey, Trajectory
from agentgym.rollout.collector import EpisodeRequest
from agentgym.task import TEST_SEEDS
from agentgym.train.advantage import GRPO, GroupAdvantage
from agentgym.train.experts import name_experts, router_wanted
from agentgym.train.pictures import PICTURES, model_inputs, seen
from agentgym.train.rows import MIN_ADVANTAGE, Row, rows_to_batch, slices_by_length

SCORED = ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask")
"""Keys of a batch by which its tokens are scored."""
MEANS_OF_ROWS = frozenset({"grpo", "dr_grpo", "sapo", "luspo"})
"""TRL's losses that divide by the number of rows, also of those that only fill up."""

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from agentgym.policy.vision import Vision
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
    equal_groups: int = 0
    """Groups in which all did the same, so that there was nothing to compare."""
    refilled_groups: int = 0
    """Groups that were played in the place of such."""

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
        for group in range(generation * self.groups, (generation + 1) * self.groups):
            yield from self._group(group, self._start + group)

    def refill(self, batch: int, count: int) -> Iterator[EpisodeRequest]:
        """Yield the episodes of groups in the place of others, at most ``groups``.

        Args:
            batch: which such call of the run this is; each has instances of its own.
            count: how many groups.
        """
        for group in range(batch * self.groups, batch * self.groups + count):
            yield from self._group(group, self._start - 1 - group)  # away from those of `requests`

    @property
    def _start(self) -> int:
        return self.seed * 7_919 * self.groups  # runs of different seeds meet different instances

    def _group(self, number: int, seed: int) -> Iterator[EpisodeRequest]:
        task = self.tasks[number % len(self.tasks)]
        for attempt in range(self.group_size):
            yield EpisodeRequest(EpisodeKey(task.id, seed % TEST_SEEDS, attempt), task)


@dataclass
class Groups:
    """Trajectories by group, as they come in."""

    trajectories: list[Trajectory] = field(default_factory=list)
    """All of them."""
    members: dict[tuple[str, int], list[Trajectory]] = field(default_factory=lambda: defaultdict(list))
    """Those that have a reward."""

    def add(self, trajectories: Iterable[Trajectory]) -> None:
        """Take in what was played."""
        for trajectory in trajectories:
            self.trajectories.append(trajectory)
            if trajectory.outcome != "infrastructure":
                self.members[trajectory.key.task_id, trajectory.key.seed].append(trajectory)

    def sorted(self) -> list[list[Trajectory]]:
        """Return the groups, in an order that does not depend on the order of arrival."""
        return [sorted(self.members[key], key=lambda each: each.key.attempt) for key in sorted(self.members)]


def rows_of(group: Sequence[Trajectory], estimator: GroupAdvantage) -> list[Row]:
    """Return the turns of a group that are worth learning from."""
    return [
        Row(turn, advantage, pictures=trajectory.pictures(number))
        for trajectory, advantages in zip(group, estimator(group), strict=True)
        for number, (turn, advantage) in enumerate(zip(trajectory.turns, advantages, strict=True))
        if turn.completion_ids and abs(advantage) > MIN_ADVANTAGE
    ]


class AgentGRPOTrainer(GRPOTrainer):  # type: ignore[misc]  # TRL is not typed
    """GRPO whose completions come from episodes.

    Args:
        model: a causal language model; trained in place.
        processing_class: its tokenizer.
        args: TRL's configuration; ``steps_per_generation`` and ``gradient_accumulation_steps`` say how many optimiser
            steps are taken a generation.
        source: plays episodes with the model.
        schedule: which.
        estimator: how the members of a group are compared.
        refill: how often groups in which all did the same are replaced by others, a generation, at most.
        on_generation: called after each round of playing.
        before_collect: called before each round, with the generation; hands new weights to workers elsewhere.
        vision: the model's eyes, where prompts hold screenshots.
        callbacks: further ones, as transformers takes them.
    """

    token_wise = False
    """Whether rows have an advantage a token, and returns for a critic."""
    _buffered_inputs: list[dict[str, torch.Tensor]] | None

    def __init__(
        self,
        *,
        model: Any,
        processing_class: Any,
        args: GRPOConfig,
        source: EpisodeSource,
        schedule: Schedule,
        estimator: GroupAdvantage = GRPO,
        refill: int = 0,
        on_generation: Callable[[Generation], None] | None = None,
        before_collect: Callable[[int], None] | None = None,
        vision: Vision | None = None,
        callbacks: list[Any] | None = None,
    ) -> None:
        name_experts(model)
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
        self._estimator = estimator
        self._refill = refill
        self._on_generation = on_generation
        self._before_collect = before_collect
        self.vision = vision

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, torch.Tensor]:
        """Return the next slice of a generation's rows; called by TRL for each."""
        former = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        if self._buffered_inputs is not None and self._buffered_inputs is not former:
            window = math.gcd(self.args.steps_per_generation, self.args.gradient_accumulation_steps)
            self._buffered_inputs = slices_by_length(self._buffered_inputs, window)
            inputs = self._buffered_inputs[self._step % self.args.steps_per_generation]
        return seen(inputs, self.vision)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write model and tokenizer, and the image processor beside them."""
        super()._save(output_dir, state_dict)
        if self.vision is not None:
            self.vision.save(output_dir or self.args.output_dir)

    def _compute_loss(self, model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return TRL's loss, from which rows that only fill up take nothing away."""
        loss: torch.Tensor = super()._compute_loss(model, inputs)
        return loss * inputs["row_weight"] if self.loss_type in MEANS_OF_ROWS else loss

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
        groups, refilled = self._play(index)
        seconds = time.perf_counter() - began
        rows = self._rows(groups)
        batch = self._batch(rows, multiple=self.args.steps_per_generation, token_wise=self.token_wise)
        equal = len(groups.members) - self._useful(groups)
        self._note(Generation(index, tuple(groups.trajectories), len(rows), seconds, equal, refilled))
        if self.beta:
            batch["ref_per_token_logps"] = self._reference_logps(batch)
        return batch

    def _play(self, index: int) -> tuple[Groups, int]:
        """Play a generation; return its groups, and how many of them came in the place of others."""
        groups, refilled = Groups(), 0
        groups.add(self._source.collect(self._schedule.requests(index)))
        for round_ in range(self._refill):
            missing = self._schedule.groups - self._useful(groups)
            if missing <= 0:
                break
            requests = self._schedule.refill(index * self._refill + round_, missing)
            groups.add(self._source.collect(requests))
            refilled += missing
        return groups, refilled

    def _useful(self, groups: Groups) -> int:
        """Return the number of groups whose members differ in what they are rewarded with."""
        return sum(
            any(abs(each) > MIN_ADVANTAGE for turns in self._estimator(group) for each in turns)
            for group in groups.members.values()
        )

    def _rows(self, groups: Groups) -> list[Row]:
        """Return what is learnt from."""
        return [row for group in groups.sorted() for row in rows_of(group, self._estimator)]

    def _batch(self, rows: Sequence[Row], *, multiple: int = 1, token_wise: bool = False) -> dict[str, Any]:
        """Return rows as tensors on the learner's device, see `rows_to_batch`."""
        pad = self.processing_class.pad_token_id
        batch = rows_to_batch(rows, pad_id=pad, multiple=multiple, token_wise=token_wise)
        device = self.accelerator.device
        return {key: value if isinstance(value, list) else value.to(device) for key, value in batch.items()}

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
        pictures = model_inputs(options) if batch_size is None else {}
        known = {*pictures, "num_images"} if pictures else set()
        further = any(value is not None and value is not False for key, value in options.items() if key not in known)
        if input_ids.device.type != "cpu" or further or self.args.cast_lm_head_to_fp32:
            options |= {"batch_size": batch_size, "compute_entropy": compute_entropy}
            with router_wanted(model):
                return super()._get_per_token_logps_and_entropies(  # type: ignore[no-any-return]  # TRL is not typed
                    model, input_ids, attention_mask, logits_to_keep, **options
                )
        size = batch_size or len(input_ids)
        logprobs, entropies = [], []
        for ids, mask in zip(torch.split(input_ids, size), torch.split(attention_mask, size), strict=True):
            with self.accelerator.autocast():
                output = model(
                    input_ids=ids,
                    attention_mask=mask,
                    logits_to_keep=logits_to_keep + 1,
                    use_cache=False,
                    **pictures,
                )
            every = (output.logits[:, -logits_to_keep - 1 : -1].float() / self.temperature).log_softmax(-1)  # (n, C, V)
            padding = mask[:, -logits_to_keep:] == 0  # (n, C)
            chosen = every.gather(-1, ids[:, -logits_to_keep:].unsqueeze(-1)).squeeze(-1)  # (n, C)
            logprobs.append(chosen.masked_fill(padding, 0))
            if compute_entropy:
                entropies.append(-(every.exp() * every).sum(-1).masked_fill(padding, 0))
        return torch.cat(logprobs), torch.cat(entropies) if compute_entropy else None, None

    def _reference_logps(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the reference model's log-probabilities of the sampled tokens, (N, C), for TRL's KL term."""
        size, parts = self.args.per_device_train_batch_size, []
        for start in range(0, len(batch["prompt_ids"]), size):
            part = seen(
                {key: batch[key][start : start + size] for key in (*SCORED, PICTURES) if key in batch}, self.vision
            )
            with torch.no_grad(), self._reference() as model:
                logprobs, _, _ = self._get_per_token_logps_and_entropies(
                    model,
                    torch.cat([part["prompt_ids"], part["completion_ids"]], dim=1),
                    torch.cat([part["prompt_mask"], part["completion_mask"]], dim=1),
                    part["completion_ids"].size(1),
                    **model_inputs(part),
                    num_images=part.get("num_images"),
                )
            parts.append(logprobs)
        return torch.cat(parts)

    @contextmanager
    def _reference(self) -> Iterator[Any]:
        """Lend the model that was trained from: another one, or this one without its adapters."""
        if self.ref_model is not None:
            yield self.ref_model
            return
        with self.accelerator.unwrap_model(self.model).disable_adapter():
            yield self.model

    def _note(self, generation: Generation) -> None:
        judged = generation.judged
        metrics = self._metrics["train"]
        metrics["episodes/success"].append(sum(each.success for each in judged) / max(1, len(judged)))
        metrics["episodes/reward"].append(sum(each.reward for each in judged) / max(1, len(judged)))
        metrics["episodes/steps"].append(sum(len(each.turns) for each in judged) / max(1, len(judged)))
        metrics["episodes/infrastructure"].append(float(len(generation.trajectories) - len(judged)))
        metrics["episodes/rows"].append(float(generation.rows))
        metrics["episodes/equal_groups"].append(float(generation.equal_groups))
        metrics["episodes/refilled_groups"].append(float(generation.refilled_groups))
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
