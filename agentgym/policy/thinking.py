"""Thought before an action: how a model marks it, and the budget that it has.

A thought that reaches its budget is cut: the tokens that close it are forced, and the model goes on with its action
(budget forcing: Muennighoff et al. 2025, "s1: Simple test-time scaling", arXiv:2501.19393). Forced tokens are known
by their places, so that a learner counts the sampled ones alone.

A mark that is several tokens is seen where these are the ones that it has alone. Not here: thought that no mark closes,
such as the lines above the action that some dialects read over; it counts as part of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from transformers import LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Marks:
    """How a family of models marks its thought.

    Without a thought, a prompt ends where the answer begins: `none` follows the generation prompt, or `none_opened`
    where the template has opened the thought already.
    """

    opening: str
    closing: str
    forced: str
    """What is written where a thought is cut."""
    none: str
    none_opened: str


TAGS = Marks("<think>", "</think>", "\n</think>\n\n", "", "\n</think>\n\n")
"""Qwen3, Nemotron 3, DeepSeek, GLM-4.x, Kimi K2.5, MiniMax-M2."""
CHANNELS = Marks(
    "<|channel|>analysis<|message|>",
    "<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|channel|>final<|message|>",
    "<|end|><|start|>assistant<|channel|>final<|message|>",
)
"""gpt-oss, whose messages have channels (the harmony format)."""


def marks_of(template: str) -> Marks:
    """Return the marks that go with a chat template."""
    return CHANNELS if "<|channel|>" in template else TAGS


def is_open(prompt: str, marks: Marks) -> bool:
    """Whether the end of a prompt has opened a thought that is still open."""
    return prompt.rfind(marks.opening) > prompt.rfind(marks.closing)


def invitation(marks: Marks) -> str:
    """Return the sentence of the system message that allows a thought, for models whose template knows of none."""
    return f"Before the action you may think, between {marks.opening} and {marks.closing}, in few words."


class MarkIds(NamedTuple):
    """Marks as token ids."""

    opening: tuple[int, ...]
    closing: tuple[int, ...]
    forced: tuple[int, ...]


@dataclass
class _Row:
    """Where one completion stands."""

    thinking: bool | None
    """None until it is known whether it begins with a thought."""
    answer: int | None = None
    """Place at which the answer begins, once that is known."""
    queue: list[int] = field(default_factory=list)
    forced: list[int] = field(default_factory=list)
    """Places of the forced tokens."""


class ThinkingBudget:
    """Cuts thoughts at their budget, and answers at theirs; for one call of ``generate``.

    Args:
        width: tokens of the padded prompts.
        tokens: of a thought at most, >= 1; what is forced to close it comes on top.
        answer_tokens: of what follows the thought at most, >= 1.
        ids: of the marks.
        opened: for each prompt, whether it has opened the thought.
    """

    def __init__(self, *, width: int, tokens: int, answer_tokens: int, ids: MarkIds, opened: Sequence[bool]) -> None:
        self._width, self._tokens, self._answer_tokens, self._ids = width, tokens, answer_tokens, ids
        self._rows = [_Row(True if each else None) for each in opened]

    @property
    def generate_options(self) -> dict[str, Any]:
        """Arguments of ``generate``."""
        return {
            "logits_processor": LogitsProcessorList([_Force(self)]),
            "stopping_criteria": StoppingCriteriaList([_End(self)]),
        }

    def forced_in(self, row: int, length: int) -> tuple[int, ...]:
        """Return the places of the forced tokens among the first tokens of a completion."""
        return tuple(place for place in self._rows[row].forced if place < length)

    def answer_in(self, row: int) -> int:
        """Return the place at which the answer of a completion begins; 0 where no thought was closed."""
        return self._rows[row].answer or 0

    def end_of(self, row: int) -> int | None:
        """Return the place at which a completion ends at the latest; None where that is the end of generation."""
        answer = self._rows[row].answer
        return None if answer is None else answer + self._answer_tokens

    def force(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores of the next tokens, (B, V), with those certain that are forced."""
        for number, row in enumerate(self._rows):
            if row.queue:
                scores = scores.index_fill(0, torch.tensor([number], device=scores.device), -torch.inf)
                scores[number, row.queue.pop(0)] = 0.0
                row.forced.append(input_ids.shape[1] - self._width)
        return scores

    def ended(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Take in the newest tokens; return which rows have used up what they may say, (B,)."""
        completions = input_ids[:, self._width :].tolist()
        for row, completion in zip(self._rows, completions, strict=True):
            self._look(row, completion)
        ends = [self.end_of(number) for number in range(len(self._rows))]
        place = input_ids.shape[1] - self._width
        return torch.tensor([end is not None and place >= end for end in ends], device=input_ids.device)

    def _look(self, row: _Row, completion: list[int]) -> None:
        if row.thinking is None:
            row.thinking = self._begun(completion)
            if row.thinking is False:
                row.answer = 0
        if not row.thinking or row.queue:
            return
        closed = completion[-len(self._ids.closing) :] == list(self._ids.closing)
        if closed or (row.forced and row.forced[-1] == len(completion) - 1):
            row.thinking, row.answer = False, len(completion)
        elif len(completion) >= self._tokens:
            row.queue = list(self._ids.forced)

    def _begun(self, completion: list[int]) -> bool | None:
        """Whether a completion begins with a thought; None where that cannot be told yet."""
        opening = list(self._ids.opening)
        if completion[: len(opening)] == opening:
            return True
        return None if completion == opening[: len(completion)] else False


class _Force(LogitsProcessor):  # type: ignore[misc]  # transformers has no types here
    """Forces tokens as a budget wants; their log-probability comes out as 0."""

    def __init__(self, budget: ThinkingBudget) -> None:
        self._budget = budget

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return self._budget.force(input_ids, scores)


class _End(StoppingCriteria):  # type: ignore[misc]  # transformers has no types here
    """Ends rows as a budget wants."""

    def __init__(self, budget: ThinkingBudget) -> None:
        self._budget = budget

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        del scores
        return self._budget.ended(input_ids)
