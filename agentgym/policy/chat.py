"""Turns as token ids: the chat template's own text, and between it text that is not trusted.

The two are encoded apart, and the second with special tokens switched off: no page can end a message or start another,
nor forge a picture. Where pictures stand, the template's own block for one is written, with as many placeholders as the
picture has visual tokens.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import TemplateError

from agentgym.action import Click
from agentgym.errors import CheckpointError
from agentgym.policy.prompt import system_message
from agentgym.policy.thinking import MarkIds, is_open, marks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NO_TEMPLATE = (
    "The tokenizer has no chat template; take an instruction-tuned model, or give a file with the model's template "
    "as `chat_template` in the run's configuration."
)
SETTINGS = ("enable_thinking", "thinking")  # what templates call the switch: Qwen3, GLM-4.x, Nemotron; DeepSeek, Kimi


class Picture(NamedTuple):
    """A picture in a message."""

    tokens: int
    """Visual tokens that it has, >= 1."""


class ChatEncoder:
    """Turns the user message of a turn into the ids of its prompt, keeping special tokens to the template.

    Args:
        tokenizer: a transformers tokenizer with a chat template.
        system: the system message; that of the default dialect where None.
        thinking: whether the template is to leave room for a thought.
        placeholder: the token that stands for a part of a picture; None for a model that sees none.

    Raises:
        CheckpointError: the tokenizer cannot write an action, or has no chat template that shows the user's message
            exactly once, as it is, and a picture where there is a placeholder.
    """

    def __init__(
        self, tokenizer: Any, system: str | None = None, *, thinking: bool = False, placeholder: str | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._system = system_message() if system is None else system
        self._switches = dict.fromkeys(SETTINGS, thinking)
        self._picture: tuple[list[int], list[int], list[int]] | None = None
        if not tokenizer.chat_template:
            raise CheckpointError(NO_TEMPLATE)
        if self._tokenizer.decode(self._encode(Click.example)).strip() != Click.example:
            raise CheckpointError("The tokenizer cannot write an action; are all tokenizer files in the folder?")
        mark, other = secrets.token_hex(8), secrets.token_hex(8)  # stand for the user's text while all is rendered
        if placeholder is None:
            text = self._rendered(mark)
            before, after = text.split(mark)
        else:
            text = self._rendered(mark, other)
            before, between, after = re.split(f"{mark}|{other}", text)
            if text.count(placeholder) != 1 or placeholder not in between:
                raise CheckpointError("The tokenizer's chat template does not show a picture between texts.")
            left, right = between.split(placeholder)
            self._picture = self._encode(left), self._encode(placeholder), self._encode(right)
        self.marks = marks_of(str(tokenizer.chat_template))
        """How a thought is marked."""
        opened = is_open(after, self.marks)
        self.opened = thinking and opened
        """Whether the prompt has opened a thought."""
        if not thinking:
            after += self.marks.none_opened if opened else self.marks.none
        self._before = self._encode(before)
        self._after = self._encode(after)

    def encode(self, *parts: str | Picture) -> list[int]:
        """Return the prompt ids of a turn whose user message has these parts; its texts are not trusted."""
        return [*self._before, *(token for part in parts for token in self._part(part)), *self._after]

    def mark_ids(self) -> MarkIds:
        """Return the marks of a thought as token ids."""
        marks = self.marks
        return MarkIds(*(tuple(self._encode(text)) for text in (marks.opening, marks.closing, marks.forced)))

    def _part(self, part: str | Picture) -> list[int]:
        if isinstance(part, str):
            return self._encode(part.encode("utf-8", "replace").decode(), split_special_tokens=True)
        assert self._picture is not None, "a picture for a model that sees none"
        left, placeholder, right = self._picture
        return [*left, *placeholder * part.tokens, *right]

    def _rendered(self, *marks: str) -> str:
        """Render a turn whose user message is these marks, with a picture between them; each is shown exactly once."""
        refusal, silent = None, ""
        for conversation in _conversations(self._system, marks):
            try:
                text = self._template(conversation)
            except (TemplateError, TypeError) as error:
                refusal = error
                continue
            if all(text.count(mark) == 1 for mark in marks):
                if len(marks) == 1 or self._system.strip() in text:
                    return text
                silent = silent or text
        if silent:
            return silent
        what = (
            "message exactly once" if len(marks) == 1 else "texts exactly once, so it does not show a picture between"
        )
        problem = f"cannot be rendered: {refusal}" if refusal is not None else f"does not show the user's {what}"
        raise CheckpointError(f"The tokenizer's chat template {problem}.") from refusal

    def _template(self, conversation: Sequence[dict[str, Any]]) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                conversation, tokenize=False, add_generation_prompt=True, **self._switches
            )
        )

    def _encode(self, text: str, **options: Any) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False, **options)["input_ids"])


def _conversations(system: str, marks: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """Yield ways to say a turn: some templates know no system message, some no text that is not a list of parts."""
    parts = [{"type": "text", "text": mark} for mark in marks]
    if len(marks) > 1:
        parts.insert(1, {"type": "image"})
    rules, rules_above = {"type": "text", "text": system}, {"type": "text", "text": f"{system}\n\n"}
    if len(marks) == 1:
        yield [{"role": "system", "content": system}, {"role": "user", "content": marks[0]}]
        yield [{"role": "user", "content": f"{system}\n\n{marks[0]}"}]
    yield [{"role": "system", "content": [rules]}, {"role": "user", "content": parts}]
    yield [{"role": "system", "content": system}, {"role": "user", "content": parts}]
    yield [{"role": "user", "content": [rules_above, *parts]}]
