"""What TRL's loss that balances experts needs of a model.

It reads ``num_experts`` of the configuration, which DeepSeek-V3, GLM-4.x and Nemotron 3 call ``n_routed_experts``, and
the choices of the routers, which not every class tells.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agentgym.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

TRL_NAME, OTHER_NAME = "num_experts", "n_routed_experts"


def name_experts(model: Any) -> None:
    """Let a model's configuration answer to TRL's name for the number of its experts; what is saved stays as it is."""
    config = model.config.get_text_config()
    kind, known = type(config), config.to_dict()
    if OTHER_NAME in known and TRL_NAME not in known:
        kind.attribute_map = {TRL_NAME: OTHER_NAME, **kind.attribute_map}  # transformers' own way to have two names


@contextmanager
def router_wanted(model: Any) -> Iterator[None]:
    """Say what is wrong where TRL looks in vain for what a model's routers chose.

    Raises:
        ConfigError: the model does not tell.
    """
    try:
        yield
    except AttributeError as error:
        if error.name != "router_logits":
            raise
        raise ConfigError(
            f"grpo.router_aux_loss_coef: {type(model).__name__} does not tell what its routers chose, so nothing can "
            "balance its experts. Leave the key out, or set it to 0."
        ) from error
