"""One step of learning, as a run takes it, from episodes that were played before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoTokenizer

from agentgym.policy.model import load_model
from agentgym.rollout.collector import CollectorStats
from agentgym.train.config import TrainConfig
from agentgym.train.folder import RunFolder
from agentgym.train.learner import grpo_arguments
from agentgym.train.trainer import AgentGRPOTrainer, Generation, Schedule
from tests.toy_world import TOY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from agentgym.episode import Trajectory
    from agentgym.rollout.collector import EpisodeRequest

SGD = {
    "optim": "sgd",  # Adam divides by the gradient's size, so that rounding becomes a step of full length
    "learning_rate": 0.3,
    "lr_scheduler_type": "constant",
    "max_grad_norm": 0.0,
    "loss_type": "dapo",
    "report_to": "none",
}

Moves = dict[str, torch.Tensor]


class Replay:
    """An episode source that hands out episodes played before."""

    def __init__(self, trajectories: Sequence[Trajectory]) -> None:
        self.stats = CollectorStats()
        self._trajectories = trajectories

    def collect(self, requests: Iterable[EpisodeRequest]) -> Iterator[Trajectory]:
        del requests
        yield from self._trajectories


def make_trainer(
    checkpoint: Path,
    folder: Path,
    trajectories: Sequence[Trajectory],
    *,
    model: Any = None,
    kind: type[AgentGRPOTrainer] = AgentGRPOTrainer,
    vision: Any = None,
    options: dict[str, Any] | None = None,
    temperature: float = 1.0,
    **grpo: Any,
) -> tuple[AgentGRPOTrainer, list[Generation]]:
    """Return a trainer on the CPU for one generation, and the list in which it notes what that gave.

    Args:
        checkpoint: of the model, and its tokenizer.
        folder: of the run.
        trajectories: what was played.
        model: to be trained instead of the checkpoint's.
        kind: of trainer.
        vision: the model's eyes.
        options: further ones of the trainer.
        temperature: at which it was sampled.
        grpo: TRL's settings, beside those of `SGD`.
    """
    config = TrainConfig(
        model=str(checkpoint),
        tasks=(),
        generations=1,
        group_size=4,
        temperature=temperature,
        max_new_tokens=8,
        grpo={**SGD, **grpo},
    )
    noted: list[Generation] = []
    trainer = kind(
        model=load_model(checkpoint) if model is None else model,
        processing_class=AutoTokenizer.from_pretrained(checkpoint),
        args=grpo_arguments(config, RunFolder(folder)),
        source=Replay(trajectories),
        schedule=Schedule([TOY["toy/press"]], 1, 4, seed=0),
        on_generation=noted.append,
        vision=vision,
        **(options or {}),
    )
    return trainer, noted


def update(trainer: Any) -> Moves:
    """Train, and return by how much each parameter moved."""
    before = {name: tensor.detach().clone() for name, tensor in trainer.model.named_parameters()}
    trainer.train()
    return {name: tensor.detach() - before[name] for name, tensor in trainer.model.named_parameters()}


def largest(moved: Moves) -> float:
    """Return the size of the largest move."""
    return max(tensor.abs().max().item() for tensor in moved.values())
