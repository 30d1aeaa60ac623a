"""Models of checkpoints: text or vision, whichever class transformers has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, PreTrainedConfig

from agentgym.errors import CheckpointError
from agentgym.policy.loading import HINT
from agentgym.policy.vision import sees

if TYPE_CHECKING:
    from pathlib import Path

SAME_ARCHITECTURE = {"kimi_k2": "deepseek_v3"}
"""Names in ``config.json`` that transformers does not know, of architectures that it does."""
LOADING_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    ImportError,
    SafetensorError,
)
"""What transformers raises for folders that are no whole checkpoint."""


def model_class(config: Any) -> Any:
    """Return the auto class that loads or makes a model of a configuration."""
    return AutoModelForImageTextToText if sees(config) else AutoModelForCausalLM


def load_config(folder: Path) -> Any:
    """Load the configuration of a checkpoint's model; raises what transformers raises."""
    document, _ = PreTrainedConfig.get_config_dict(folder, local_files_only=True)
    kind = SAME_ARCHITECTURE.get(document.get("model_type", ""))
    if kind is None:
        return AutoConfig.from_pretrained(folder, local_files_only=True)
    return CONFIG_MAPPING[kind].from_dict({**document, "model_type": kind})


def load_model(folder: Path) -> Any:
    """Load the model of a checkpoint, in float32, on the CPU.

    Raises:
        CheckpointError: the folder is not a loadable checkpoint.
    """
    try:
        config = load_config(folder)
        model, loading = model_class(config).from_pretrained(
            folder, config=config, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    except LOADING_ERRORS as error:
        raise CheckpointError(f"{folder} cannot be loaded as a causal language model: {error} {HINT}") from error
    if loading["missing_keys"]:  # transformers would go on with random weights in their place
        missing = sorted(loading["missing_keys"])
        raise CheckpointError(f"{folder} lacks {len(missing)} weights of the model, such as {missing[0]}. {HINT}")
    return model
