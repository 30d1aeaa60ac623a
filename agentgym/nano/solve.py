"""Greedy answers of a model to examples, and how many of them are right."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from agentgym.action import parse_completion
from agentgym.errors import ActionError
from agentgym.nano.tokenizer import prompt_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

    from agentgym.nano.pages import Example

MAX_NEW_TOKENS = 96  # a label and an action with a long text


def answers(
    model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, messages: Sequence[str], *, batch: int = 64
) -> list[str]:
    """Return the greedy completion of every user message, in order."""
    import torch

    prompts = [prompt_ids(tokenizer, message) for message in messages]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    texts = [""] * len(prompts)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        width = max(len(prompts[i]) for i in rows)
        pads = [width - len(prompts[i]) for i in rows]
        ids = torch.tensor([[tokenizer.pad_token_id] * pad + prompts[i] for i, pad in zip(rows, pads, strict=True)])
        mask = torch.tensor([[0] * pad + [1] * (width - pad) for pad in pads])  # (B, T)
        with torch.inference_mode():
            found = model.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,
                max_new_tokens=MAX_NEW_TOKENS,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        for i, row in zip(rows, found[:, width:], strict=True):
            texts[i] = tokenizer.decode(row, skip_special_tokens=True)
    return texts


def is_right(example: Example, text: str) -> bool:
    """Whether a completion ends in exactly the action of the example."""
    try:
        return parse_completion(text) == example.action
    except ActionError:
        return False


def accuracies(
    model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, examples: Sequence[Example]
) -> dict[str, float]:
    """Return the share of right greedy answers by family, 0 to 1."""
    texts = answers(model, tokenizer, [example.message for example in examples])
    right = collections.defaultdict(list)
    for example, text in zip(examples, texts, strict=True):
        right[example.family].append(is_right(example, text))
    return {family: sum(each) / len(each) for family, each in sorted(right.items())}
