"""PPO on TRL, fed with episodes: GRPO's trainer with a critic beside it.

TRL has had no PPO since 1.13. Its clipped policy loss takes an advantage a token, so what is added here is the critic:
it judges the states of what was played, generalised advantage estimation on two clocks makes advantages and returns of
that (`agentgym.train.gae`), and the value loss is added to the policy's. All turns are rows, also those of groups whose
members did the same; groups are only attempts at the same task.

The critic is a parameter group of the same optimiser. Its gradients are clipped by ``max_grad_norm`` for themselves,
and it is saved beside the model as ``critic.safetensors``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers

from agentgym.train.critic import Critic, value_loss
from agentgym.train.gae import TwoClockGAE, explained_variance, whiten
from agentgym.train.pictures import seen
from agentgym.train.rows import Row, loss_mask
from agentgym.train.trainer import AgentGRPOTrainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym.episode import Trajectory, Turn
    from agentgym.train.config import PPOConfig
    from agentgym.train.gae import Floats
    from agentgym.train.trainer import Groups


class AgentPPOTrainer(AgentGRPOTrainer):
    """PPO whose completions come from episodes.

    Args:
        model: a causal language model, or a PEFT model; trained in place.
        ppo: what concerns the critic.
        options: as `AgentGRPOTrainer` takes them; the estimator's shaping counts, and that it knows groups of equals.
    """

    token_wise = True

    def __init__(self, *, model: Any, ppo: PPOConfig, **options: Any) -> None:
        # Before TRL patches the model's forward: a copy of that would call the model it was copied from.
        self.critic = Critic(model, separate=ppo.critic == "separate")
        self._ppo = ppo
        super().__init__(model=model, **options)
        self.critic.own.to(self.accelerator.device)
        self._gae = TwoClockGAE(self._estimator.shaping.discount, ppo.turn_lambda, ppo.token_discount, ppo.token_lambda)
        self.add_callback(_CriticGradients(self.critic, self.args.max_grad_norm))

    def create_optimizer(self, model: Any = None) -> Any:
        """Return the optimiser, with the critic's parameters as its last group."""
        fresh = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if fresh:
            rate = self._ppo.value_learning_rate or self.args.learning_rate
            optimizer.add_param_group({"params": self.critic.parameters(), "lr": rate, "weight_decay": 0.0})
        return optimizer

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the model or its adapter, and the critic beside it."""
        super().save_model(output_dir, _internal_call)
        if self.args.should_save:
            self.critic.save(Path(output_dir or self.args.output_dir))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        self.critic.load(Path(resume_from_checkpoint))

    def _rows(self, groups: Groups) -> list[Row]:
        """Return all turns that have tokens, with an advantage and a return for each token that was sampled."""
        played = [each for group in groups.sorted() for each in group]
        rows = [_turns(each) for each in played]
        ends = [Row(each.after, 0.0, pictures=each.pictures(len(each.turns))) for each in played if each.after]
        judged = self._judge([*(row for each in rows for row in each), *ends])
        values, last_values = iter(judged), iter(judged[len(judged) - len(ends) :])
        olds: list[Floats] = []
        advantages: list[Floats] = []
        for trajectory, turns in zip(played, rows, strict=True):
            of_turns = [next(values)[_sampled(row.turn)] for row in turns]
            last_value = float(next(last_values)[0]) if trajectory.after else 0.0
            olds += of_turns
            advantages += self._gae(self._estimator.shaping.rewards(trajectory), of_turns, last_value=last_value)
        returns = [old + advantage for old, advantage in zip(olds, advantages, strict=True)]
        self._note_values(np.concatenate([np.empty(0), *olds]), np.concatenate([np.empty(0), *returns]))
        weights = whiten(advantages) if self._ppo.whiten else advantages
        learnt = zip((row for each in rows for row in each), weights, returns, olds, strict=True)
        return [_with(row, *found) for row, *found in learnt if row.turn.completion_ids]

    def _judge(self, rows: Sequence[Row]) -> list[Floats]:
        """Return the critic's values of the states before the tokens of rows: (C,) each, (1,) where there are none."""
        found: list[Floats] = [np.empty(0)] * len(rows)
        order = sorted(range(len(rows)), key=lambda index: len(rows[index].turn.prompt_ids))  # less padding
        size, was_training = self.args.per_device_train_batch_size, self.model.training
        self.model.eval()
        self.critic.own.eval()
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            batch = seen(self._batch([rows[index] for index in chosen]), self.vision)
            with torch.no_grad(), self.accelerator.autocast():
                values = self.critic.values(batch).cpu().double().numpy()  # (n, C)
            for row, index in enumerate(chosen):
                found[index] = values[row, : max(1, len(rows[index].turn.completion_ids))]
        self.model.train(was_training)
        self.critic.own.train(was_training)
        return found

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """Return the loss of policy and critic; while values warm up the critic's alone, which then moves alone."""
        warming = self.state.global_step < self._ppo.value_warm_up
        with self.critic.watch() as hidden, torch.set_grad_enabled(not warming and torch.is_grad_enabled()):
            loss = super()._compute_loss(model, inputs)
        if self.critic.separate:
            with self.accelerator.autocast():
                values = self.critic.values(inputs)
        else:
            values = self.critic.judge(torch.cat(hidden), inputs["completion_ids"].size(1))  # (B, C)
        found = value_loss(
            values, old_values=inputs["old_values"], returns=inputs["returns"], clip=self._ppo.value_clip
        )
        mask = loss_mask(inputs)  # (B, C)
        # A mean over the tokens of the optimiser step, as in TRL's loss_type="dapo".
        share = self.current_gradient_accumulation_steps / self.args.steps_per_generation
        critics: torch.Tensor = (found.losses * mask).sum() / (inputs["num_items_in_batch"].clamp(min=1) * share)
        metrics, count = self._metrics["train"], mask.sum().clamp(min=1)
        metrics["critic/value_loss"].append(((found.losses * mask).sum() / count).item())
        metrics["critic/clip_share"].append(((found.clipped * mask).sum() / count).item())
        weighed = self._ppo.value_coefficient * critics
        return weighed if warming else loss + weighed

    def _note_values(self, values: Floats, returns: Floats) -> None:
        if len(values):
            metrics = self._metrics["train"]
            metrics["critic/value"].append(float(values.mean()))
            metrics["critic/return"].append(float(returns.mean()))
            metrics["critic/explained_variance"].append(explained_variance(values, returns))


class _CriticGradients(transformers.TrainerCallback):  # type: ignore[misc]  # transformers has no types here
    """Clips and clears the critic's gradients: transformers does so for the parameters of the model alone."""

    def __init__(self, critic: Critic, max_norm: float) -> None:
        self._parameters = critic.parameters()
        self._max_norm = max_norm

    def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
        """Clip."""
        if self._max_norm > 0:
            torch.nn.utils.clip_grad_norm_(self._parameters, self._max_norm)

    def on_optimizer_step(self, *_: Any, **__: Any) -> None:
        """Clear."""
        for each in self._parameters:
            each.grad = None


def _turns(trajectory: Trajectory) -> list[Row]:
    """Return the turns of an episode, (T,), of which nothing is known yet."""
    return [Row(turn, 0.0, pictures=trajectory.pictures(number)) for number, turn in enumerate(trajectory.turns)]


def _sampled(turn: Turn) -> list[int]:
    """Return the places of the tokens that the model chose."""
    return [place for place in range(len(turn.completion_ids)) if place not in turn.forced]


def _with(row: Row, advantages: Floats, returns: Floats, values: Floats) -> Row:
    """Return a row with numbers for the tokens that the model chose, and 0 for the others."""
    places, length = _sampled(row.turn), len(row.turn.completion_ids)
    spread = np.zeros((3, length))
    spread[:, places] = advantages, returns, values
    return replace(row, advantage=tuple(spread[0]), returns=tuple(spread[1]), values=tuple(spread[2]))
