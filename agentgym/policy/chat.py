"""Turns as token ids: the chat template's own text, and between it text that is not trusted.

The two are encoded apart, and the second with special tokens switched off: no page can end a message or start another.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from agentgym.action import Click
from agentgym.errors import CheckpointError
from agentgym.policy.prompt import system_message

if TYPE_CHECKING:
    from collections.abc import Sequence


class ChatEncoder:
    """Turns the user message of a turn into the ids of its prompt, keeping special tokens to the template.

    Args:
        tokenizer: a transformers tokenizer with a chat template.
        system: the system message; that of the default dialect where None.

    Raises:
        CheckpointError: the tokenizer cannot write an action, or has no chat template that shows the user's message
            exactly once, as it is.
    """

    def __init__(self, tokenizer: Any, system: str | None = None) -> None:
        self._tokenizer = tokenizer
        self._system = system_message() if system is None else system
        if not tokenizer.chat_template:
            raise CheckpointError("The tokenizer has no chat template; agentgym needs an instruction-tuned model.")
        if self._tokenizer.decode(self._encode(Click.example)).strip() != Click.example:
            raise CheckpointError("The tokenizer cannot write an action; are all tokenizer files in the folder?")
        mark = secrets.token_hex(8)  # stands for the user's text while the template is rendered around it
        text = self._render(mark)
        if text.count(mark) != 1:
            raise CheckpointError("The tokenizer's chat template does not show the user's message exactly once.")
        before, after = text.split(mark)
        self._before = self._encode(before)
        self._after = self._encode(after)

    def encode(self, text: str) -> list[int]:
        """Return the prompt ids of a turn whose user message is ``text``."""
        content = self._encode(text.encode("utf-8", "replace").decode(), split_special_tokens=True)
        return [*self._before, *content, *self._after]

    def _render(self, mark: str) -> str:
        system, user = {"role": "system", "content": self._system}, {"role": "user", "content": mark}
        joined = {"role": "user", "content": f"{self._system}\n\n{mark}"}
        refusal: Exception | None = None
        for conversation in ([system, user], [joined]):  # some templates know no system message
            try:
                return self._template(conversation)
            except (TemplateError, TypeError) as error:
                refusal = error
        raise CheckpointError(f"The tokenizer's chat template cannot be rendered: {refusal}.") from refusal

    def _template(self, conversation: Sequence[dict[str, str]]) -> str:
        return str(self._tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True))

    def _encode(self, text: str, **options: Any) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False, **options)["input_ids"])
