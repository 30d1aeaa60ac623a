"""Greedy answers of a model to examples, and how many of them are right."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from agentgym.action import parse_completion
from agentgym.errors import ActionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

    from agentgym.nano.pages import Example

MAX_NEW_TOKENS = 96  # a label and an action with a long text


def answers(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, messages: Sequence[str]) -> list[str]:
    """Return the greedy completion of every user message, in order."""
    from agentgym.policy.transformers import TransformersPolicy

    policy = TransformersPolicy(model, tokenizer, temperature=0.0, max_new_tokens=MAX_NEW_TOKENS)
    order = sorted(range(len(messages)), key=lambda index: len(messages[index]))  # so that little is padded
    completions = policy.answer([messages[index] for index in order])
    texts = dict(zip(order, (each.text for each in completions), strict=True))
    return [texts[index] for index in range(len(messages))]


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
