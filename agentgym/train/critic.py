"""The critic: what is still to be had from a state, as a linear head on the last hidden state of a language model.

The value of the state before a token comes from the same position as the probability of that token, so one forward pass
gives both. The trunk is the model's own (shared), or a copy of it that learns to judge only (separate); under LoRA the
copy has adapters of its own, and what they adapt stays as it is. Works with every transformers model whose backbone
answers with ``last_hidden_state``; the head is kept outside of the model, so that checkpoints load without it.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel

from agentgym.errors import CheckpointError
from agentgym.train.pictures import model_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = "critic.safetensors"


class ValueLoss(NamedTuple):
    """What the critic is to improve, token by token."""

    losses: torch.Tensor
    """(B, C)."""
    clipped: torch.Tensor
    """(B, C), bool: where the change of the value was cut off."""


class Critic:
    """Values of states.

    Args:
        model: a transformers causal language model, or a PEFT model around one; it is not changed.
        separate: whether the critic has a trunk of its own, a copy of the model's, rather than sharing it.

    Raises:
        CheckpointError: the model has no backbone whose hidden states could be looked at.
    """

    def __init__(self, model: Any, *, separate: bool) -> None:
        whole = model if isinstance(model, PreTrainedModel) else model.get_base_model()
        trunk, output = whole.base_model, whole.get_output_embeddings()
        if trunk is whole or output is None:
            raise CheckpointError(
                f"{type(whole).__name__} has no backbone beneath its language head, so it can have no critic. "
                "Use estimator=grpo or rloo, which need none."
            )
        self.separate = separate
        self.trunk: nn.Module = copy.deepcopy(trunk) if separate else trunk
        self.head = nn.Linear(output.weight.shape[-1], 1)
        nn.init.zeros_(self.head.weight)  # nothing is expected, and no gradient reaches the trunk, until it has learnt
        nn.init.zeros_(self.head.bias)
        self.own = nn.ModuleDict({"head": self.head, **({"trunk": self.trunk} if separate else {})})
        """What belongs to the critic alone."""

    def parameters(self) -> list[nn.Parameter]:
        """Return what is learnt that is not the model's."""
        return [each for each in self.own.parameters() if each.requires_grad]

    def values(self, batch: dict[str, Any]) -> torch.Tensor:
        """Return the values of the states before each token of the completions, (N, C).

        Args:
            batch: of rows, as `rows_to_batch` makes it, pictures as patches. The first value of a row is that of its
                prompt, also where its completion is empty.
        """
        output = self.trunk(
            input_ids=torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1),
            attention_mask=torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1),
            use_cache=False,
            **model_inputs(batch),
        )
        return self.judge(output.last_hidden_state, batch["completion_ids"].size(1))

    def judge(self, hidden: torch.Tensor, length: int) -> torch.Tensor:
        """Return the values, (N, C), of hidden states, (N, P + C, H), where C is the length of the completions."""
        with torch.autocast(hidden.device.type, enabled=False):
            return self.head(hidden[:, -length - 1 : -1].float()).squeeze(-1)  # type: ignore[no-any-return]  # a module

    @contextmanager
    def watch(self) -> Iterator[list[torch.Tensor]]:
        """Collect the hidden states, (n, P + C, H) each, of all that goes through the trunk meanwhile."""
        seen: list[torch.Tensor] = []
        hook = self.trunk.register_forward_hook(lambda _module, _inputs, output: seen.append(output[0]))
        try:
            yield seen
        finally:
            hook.remove()

    def save(self, folder: Path) -> None:
        """Write what is learnt that is not the model's beside the model or its adapter."""
        learnt = {name: each for name, each in self.own.named_parameters() if each.requires_grad}
        save_file({name: each.detach().contiguous() for name, each in learnt.items()}, folder / FILE)

    def load(self, folder: Path) -> None:
        """Take over what `save` wrote.

        Raises:
            CheckpointError: it is not there, or of another model.
        """
        wanted = {name: each for name, each in self.own.named_parameters() if each.requires_grad}
        try:
            found = load_file(folder / FILE)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"{folder / FILE} cannot be read: {error}. Leave out --resume to start anew."
            ) from error
        if {name: each.shape for name, each in found.items()} != {name: each.shape for name, each in wanted.items()}:
            raise CheckpointError(
                f"{folder / FILE} is the critic of another model, or of another kind (ppo.critic). "
                "Resume with the settings it was made with, or leave out --resume to start anew."
            )
        with torch.no_grad():
            for name, each in wanted.items():
                each.copy_(found[name])


def value_loss(
    values: torch.Tensor, *, old_values: torch.Tensor, returns: torch.Tensor, clip: float | None
) -> ValueLoss:
    """Return half of the squared error of values, (B, C) each.

    With ``clip`` a value that has moved further than this from what it was when the episodes were played counts with
    the greater of its own error and that of the value cut off there, as in OpenAI's PPO (baselines, ``ppo2``; described
    by S. Huang et al. 2022, "The 37 implementation details of proximal policy optimization", ICLR blog track).
    """
    errors = (values - returns).square()
    if clip is None:
        return ValueLoss(0.5 * errors, torch.zeros_like(errors, dtype=torch.bool))
    moved = values - old_values
    cut = (old_values + moved.clamp(-clip, clip) - returns).square()
    return ValueLoss(0.5 * torch.maximum(errors, cut), moved.abs() > clip)
