"""A checkpoint of an untrained model, small enough to load and run in a moment."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from agentgym.nano.model import build_model
from agentgym.nano.tokenizer import build_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

_tokenizer = cache(build_tokenizer)


def save_tiny_checkpoint(folder: Path, *, seed: int = 0) -> Path:
    """Save nano's tokenizer and a one-layer model with random weights; return the folder."""
    tokenizer: PreTrainedTokenizerFast = _tokenizer()
    model = build_model(tokenizer, seed=seed, layers=1)
    model.generation_config.update(do_sample=False, pad_token_id=tokenizer.pad_token_id)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
