"""LoRA: adapters on some linear layers, while the model's own weights stay as they are.

After E. Hu et al. 2021, arXiv:2106.09685. Where no layers are named, those of attention and the inputs of Mamba blocks
are adapted, and in models without experts those of the feed-forward blocks, by the names that they have in the families
of ``docs/models.md``. Not adapted: experts, routers, eyes, and the language head. A model with experts whose
feed-forward layers are named gets adapters on its experts: PEFT takes these names for theirs, however many there are.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn

from agentgym.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj")
LATENT_ATTENTION = ("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj")
FEED_FORWARD = ("gate_proj", "up_proj", "down_proj", "gate_up_proj")
MAMBA = ("in_proj",)
SPARSE = frozenset((*ATTENTION, *LATENT_ATTENTION, *MAMBA))
DENSE = SPARSE.union(FEED_FORWARD)
EYES = frozenset(("visual", "vision_tower", "vision_model", "multi_modal_projector", "mm_projector"))
MAMBA_READS_DIRECTLY = frozenset(("out_proj", "conv1d"))
"""Layers whose weight Mamba's kernels take without calling the layer, so that an adapter would do nothing."""


def adapted_layers(model: nn.Module, names: Sequence[str] = ()) -> list[str]:
    """Return the full names of the layers that are adapted.

    Args:
        model: a transformers model.
        names: last parts of the names of layers; the usual ones where none are given.

    Raises:
        ConfigError: no layer has one of these names, or it is none that can be adapted.
    """
    linear = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    text = [name for name in linear if not EYES.intersection(name.split("."))]
    has_mamba = any(name.endswith(".conv1d") for name, _ in model.named_modules())
    for name in names:
        if has_mamba and name in MAMBA_READS_DIRECTLY:
            raise ConfigError(
                f"lora.targets: {name} of a Mamba block is read past its layer, so an adapter there would learn "
                "nothing. Leave it out; in_proj works."
            )
        if not any(_last(each) == name for each in linear):
            raise ConfigError(
                f"lora.targets: {type(model).__name__} has no linear layer {name!r}; it has "
                f"{', '.join(sorted({_last(each) for each in linear}))}."
            )
    has_experts = any(".experts." in name for name, _ in model.named_parameters())
    usual = SPARSE if has_experts else DENSE
    found = [name for name in (linear if names else text) if _last(name) in (names or usual)]
    if not found:
        raise ConfigError(
            f"lora: no layer of {type(model).__name__} has a usual name; give lora.targets, of "
            f"{', '.join(sorted({_last(each) for each in linear}))}."
        )
    return found


def add_adapters(model: Any, *, rank: int, alpha: float, dropout: float = 0.0, targets: Sequence[str] = ()) -> Any:
    """Give a model adapters, in place, and return the PEFT model around it: only they are learnt.

    Raises:
        ConfigError: PEFT cannot adapt these layers.
    """
    from peft import LoraConfig, get_peft_model

    layers = adapted_layers(model, targets)
    settings = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=layers, bias="none")
    try:
        with warnings.catch_warnings():  # PEFT asks transformers by a name that this is about to drop
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            return get_peft_model(model, settings)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"lora: {error}") from error


@contextmanager
def merged(model: Any) -> Iterator[dict[str, torch.Tensor]]:
    """Lend the weights of a model as if it had no adapters: what these have learnt is added to them meanwhile.

    Afterwards the model's own weights are what they were, to the last bit: subtracting would leave rounding behind.

    Args:
        model: as `add_adapters` returned it.
    """
    weights = {name: each for name, each in model.get_base_model().state_dict().items() if ".lora_" not in name}
    own = {name: each.clone() for name, each in weights.items() if ".base_layer." in name}
    model.merge_adapter()
    try:
        yield {_plain(name): each for name, each in weights.items()}
    finally:
        model.unmerge_adapter()
        for name, each in own.items():
            weights[name].copy_(each)


def _plain(name: str) -> str:
    """Return the name that a weight has without adapters."""
    return ".".join(part for part in name.split(".") if part != "base_layer")


def _last(name: str) -> str:
    return name.rpartition(".")[2]
