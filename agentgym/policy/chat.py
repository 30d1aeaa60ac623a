"""Turns as token ids: the chat template's own text, and between it text that is not trusted.

The two are encoded apart, and the second with special tokens switched off: no page can end a message or start another,
nor forge a picture. Where pictures stand, the template's own block for one is written, with as many placeholders as the
picture has visual tokens.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import TemplateError

from agentgym.action import Click
from agentgym.errors import CheckpointError
from agentgym.policy.prompt import system_message
from agentgym.policy.thinking import MarkIds, is_open, marks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

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
            text = self._render(mark)
            if text.count(mark) != 1:
                raise CheckpointError("The tokenizer's chat template does not show the user's message exactly once.")
            before, after = text.split(mark)
        else:
            shown = self._render(
                [{"type": "text", "text": mark}, {"type": "image"}, {"type": "text", "text": other}],
            )
            if not shown.count(mark) == shown.count(other) == 1 or shown.count(placeholder) != 1:
                raise CheckpointError("The tokenizer's chat template does not show a picture between texts.")
            before, after = shown.split(mark)[0], shown.split(other)[1]
            left, right = shown[len(before) + len(mark) : -len(after) - len(other)].split(placeholder)
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

    def _render(self, content: str | list[dict[str, str]]) -> str:
        system = {"role": "system", "content": self._system}
        if isinstance(content, str):
            joined: Any = f"{self._system}\n\n{content}"
        else:
            joined = [{"type": "text", "text": f"{self._system}\n\n"}, *content]
        refusal: Exception | None = None
        user: dict[str, Any] = {"role": "user", "content": content}
        for conversation in ([system, user], [{**user, "content": joined}]):  # some templates know no system message
            try:
                return self._template(conversation)
            except (TemplateError, TypeError) as error:
                refusal = error
        raise CheckpointError(f"The tokenizer's chat template cannot be rendered: {refusal}.") from refusal

    def _template(self, conversation: Sequence[dict[str, Any]]) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                conversation, tokenize=False, add_generation_prompt=True, **self._switches
            )
        )

    def _encode(self, text: str, **options: Any) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False, **options)["input_ids"])
