"""A transformers language model as a policy, with eyes where it has some.

Prompts are batched, padded on the left and completed with a KV cache. Token ids and the log-probability of every
sampled token are recorded as they were, so that a learner never tokenises again. Tokens are drawn from the model's own
distribution at a temperature: penalties and cut-offs that a checkpoint's generation_config.json asks for are left out,
because a learner that computes the probabilities anew knows nothing of them.

A model that sees may sample the token that stands for a part of a picture, which nothing but a picture can follow; the
completion ends before it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoTokenizer, GenerationConfig

from agentgym.errors import CheckpointError, ConfigError
from agentgym.policy.base import MAX_NEW_TOKENS, Completion, Policy, Prompt
from agentgym.policy.chat import ChatEncoder, Picture
from agentgym.policy.loading import HINT, checkpoint_folder
from agentgym.policy.model import LOADING_ERRORS, load_model
from agentgym.policy.prompt import seen_message, system_message, user_message
from agentgym.policy.sight import BLIND, Sight
from agentgym.policy.speech import SCREEN, Speech
from agentgym.policy.thinking import ThinkingBudget, invitation, marks_of
from agentgym.policy.vision import Pixels, Vision, joined

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from agentgym.dialects.base import Dialect


@dataclass(frozen=True)
class _Question:
    """A turn as the model takes it."""

    text: str
    ids: list[int]
    opened: bool
    """Whether the prompt has opened a thought."""
    pixels: Pixels | None = None
    shown: int = 0


class TransformersPolicy(Policy):
    """Samples completions from a causal language model.

    Args:
        model: a transformers causal language model; used as it is, on its device.
        tokenizer: its tokenizer, with a chat template.
        temperature: of sampling; 0 takes the most likely token.
        max_new_tokens: tokens of a completion at most.
        batch_size: prompts that are completed at once at most.
        speech: the dialect in which the model is asked to write actions.
        thinking_tokens: of a thought before the answer at most; 0 asks for none.
        vision: the model's eyes, for a policy that is shown screenshots.

    Raises:
        CheckpointError: there is no chat template, or no token that ends a completion.
    """

    name = "transformers"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        temperature: float = 1.0,
        max_new_tokens: int = MAX_NEW_TOKENS,
        batch_size: int = 64,
        speech: Speech = Policy.speech,
        thinking_tokens: int = 0,
        vision: Vision | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.temperature = temperature
        self.speech = speech
        self.vision = vision
        self.sight = BLIND if vision is None else vision.sight
        self.max_tokens = max_new_tokens
        """Tokens of a completion at most, thought included."""
        self._thinking_tokens, self._answer_tokens = thinking_tokens, max_new_tokens
        self._placeholder = None if vision is None else tokenizer.convert_ids_to_tokens(vision.placeholder)
        self._encoders: dict[str, ChatEncoder] = {}  # by system message: one a size of screen, where that matters
        encoder = self._encoder(self._system(speech.on(SCREEN)))  # a template that cannot carry it is told now
        self._marks = encoder.mark_ids()
        if thinking_tokens:
            self.max_tokens += thinking_tokens + len(self._marks.forced)
        self._batch_size = batch_size
        self._ends = _end_tokens(model, tokenizer)
        if not self._ends:
            raise CheckpointError("Neither tokenizer nor generation_config.json names an eos token, so nothing ends.")
        self._silent = _silent_tokens(tokenizer, speech)
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self._ends[0]
        self._generation = GenerationConfig(
            max_new_tokens=self.max_tokens,
            do_sample=temperature > 0,
            temperature=temperature if temperature > 0 else None,
            top_k=0 if temperature > 0 else None,
            top_p=1.0 if temperature > 0 else None,
            eos_token_id=list(self._ends),
            pad_token_id=self._pad,
            return_dict_in_generate=True,
            output_scores=True,
            use_cache=True,
        )

    @classmethod
    def from_pretrained(
        cls,
        path: Path | str,
        *,
        device: str | None = None,
        sight: Sight = BLIND,
        chat_template: Path | None = None,
        **options: Any,
    ) -> TransformersPolicy:
        """Load a checkpoint folder.

        Args:
            path: the folder.
            device: as PyTorch names it; None takes the accelerator if there is one, else the CPU.
            sight: what the model is shown; screenshots are for models that see.
            chat_template: a file with the template that is used instead of the checkpoint's; None for its own.
            options: arguments of the constructor.

        Raises:
            CheckpointError: the folder is not a loadable checkpoint.
            ConfigError: the model sees nothing, or the template's file cannot be read.
            UnknownNameError: there is no such folder.
        """
        folder = checkpoint_folder(str(path))
        model = load_model(folder)
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except LOADING_ERRORS as error:
            raise CheckpointError(f"The tokenizer of {folder} cannot be loaded: {error} {HINT}") from error
        if chat_template is not None:
            tokenizer.chat_template = read_template(chat_template)
        vision = Vision.from_pretrained(folder, model, sight) if sight.screenshots else None
        try:
            policy = cls(model.to(device or _best_device()).eval(), tokenizer, vision=vision, **options)
        except CheckpointError as error:
            raise CheckpointError(f"{folder}: {error}") from error
        policy.name = folder.name
        return policy

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Return one sampled completion a prompt."""
        completions: list[Completion] = []
        for start in range(0, len(prompts), self._batch_size):
            completions += self._answer([self._question(each) for each in prompts[start : start + self._batch_size]])
        return completions

    def encode(self, prompt: Prompt) -> Completion:
        """Return a prompt as text and token ids."""
        question = self._question(prompt)
        return Completion("", question.text, tuple(question.ids), shown=len(prompt.screenshots))

    def answer(self, messages: Sequence[str]) -> list[Completion]:
        """Return one sampled completion a user message, under the system message of the default dialect."""
        encoder = self._encoder(system_message())
        completions: list[Completion] = []
        for start in range(0, len(messages), self._batch_size):
            texts = messages[start : start + self._batch_size]
            completions += self._answer([_Question(text, encoder.encode(text), encoder.opened) for text in texts])
        return completions

    def _system(self, dialect: Dialect) -> str:
        message = system_message(dialect, self.sight)
        template = str(self.tokenizer.chat_template)
        marks = marks_of(template)
        if not self._thinking_tokens or marks.opening in template:
            return message
        return f"{message}\n{invitation(marks)}"

    def _encoder(self, system: str) -> ChatEncoder:
        if system not in self._encoders:
            self._encoders[system] = ChatEncoder(
                self.tokenizer, system, thinking=self._thinking_tokens > 0, placeholder=self._placeholder
            )
        return self._encoders[system]

    def _question(self, prompt: Prompt) -> _Question:
        dialect = self.dialect(prompt)
        encoder = self._encoder(self._system(dialect))
        if self.vision is None:
            text = user_message(prompt, dialect)
            return _Question(text, encoder.encode(text), encoder.opened)
        texts = seen_message(prompt, dialect, elements=self.sight.elements)
        pixels = self.vision.pixels(prompt.screenshots)
        parts: list[str | Picture] = [texts[0]]
        for count, text in zip(self.vision.token_counts(pixels), texts[1:], strict=True):
            parts += [Picture(count), text]
        ids = encoder.encode(*parts)
        return _Question("[screenshot]".join(texts), ids, encoder.opened, pixels, len(prompt.screenshots))

    def _answer(self, questions: Sequence[_Question]) -> list[Completion]:
        rows = [each.ids for each in questions]
        width = max(len(row) for row in rows)
        device = self.model.device
        ids = torch.tensor([[self._pad] * (width - len(row)) + row for row in rows], device=device)  # (B, P)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)  # (B, P)
        inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if self.vision is not None:
            inputs |= self.vision.inputs(ids, joined([each.pixels for each in questions]))
        budget = None
        if self._thinking_tokens:
            budget = ThinkingBudget(
                width=width,
                tokens=self._thinking_tokens,
                answer_tokens=self._answer_tokens,
                ids=self._marks,
                opened=[each.opened for each in questions],
            )
            inputs |= budget.generate_options
        with torch.no_grad(), _plain(self.model):
            output = self.model.generate(**inputs, generation_config=self._generation)
        sampled = output.sequences[:, width:]  # (B, C)
        chosen = [  # one step at a time: all steps of a large vocabulary at once are gigabytes
            scores.float().log_softmax(-1).gather(-1, tokens.unsqueeze(-1))  # (B, V) -> (B, 1)
            for scores, tokens in zip(output.scores, sampled.unbind(1), strict=True)
        ]
        logprobs = torch.cat(chosen, dim=1).tolist()  # (B, C)
        return [
            self._completion(question, number, tokens, logprobs[number], budget)
            for number, (question, tokens) in enumerate(zip(questions, sampled.tolist(), strict=True))
        ]

    def _completion(
        self,
        question: _Question,
        number: int,
        tokens: list[int],
        logprobs: list[float],
        budget: ThinkingBudget | None,
    ) -> Completion:
        """Cut a row after its end token, which is kept: the model chose it, so it is learnt from."""
        start = 0
        if budget is not None:
            start, tokens = budget.answer_in(number), tokens[: budget.end_of(number)]
        if self.vision is not None and self.vision.placeholder in tokens:
            tokens = tokens[: tokens.index(self.vision.placeholder)]
        end = next((index for index, token in enumerate(tokens) if token in self._ends), len(tokens))
        ids = tokens[: end + 1]
        return Completion(
            text=self._decoded(tokens[start:end]),
            prompt_text=question.text,
            prompt_ids=tuple(question.ids),
            ids=tuple(ids),
            logprobs=tuple(logprobs[: len(ids)]),
            thought=str(self.tokenizer.decode(tokens[: min(start, end)])),
            forced=() if budget is None else budget.forced_in(number, len(ids)),
            shown=question.shown,
        )

    def _decoded(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode([token for token in tokens if token not in self._silent]))


def read_template(path: Path) -> str:
    """Return the chat template of a file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"chat_template: {path} cannot be read: {error}. Give a file with a Jinja template."
        ) from error


def _end_tokens(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Return the ids that end a completion: the tokenizer's, and those of the model, which may have several."""
    config = model.generation_config.eos_token_id
    several = [] if config is None else [config] if isinstance(config, int) else config
    return tuple(dict.fromkeys(each for each in (tokenizer.eos_token_id, *several) if each is not None))


def _silent_tokens(tokenizer: Any, speech: Speech) -> frozenset[int]:
    """Return the ids of special tokens that are no text: all but those that the dialect writes with.

    Some tokenizers hold ``<tool_call>`` among theirs; without its tags a call could not be read.
    """
    words = speech.on(SCREEN).describe()
    special = {id_: token.content for id_, token in tokenizer.added_tokens_decoder.items() if token.special}
    special |= dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    return frozenset(id_ for id_, text in special.items() if text not in words)


def _best_device() -> torch.device:
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


@contextmanager
def _plain(model: Any) -> Iterator[None]:
    """Evaluation mode, and no generation settings of the model's own: `generate` fills gaps with them."""
    training, settings = model.training, model.generation_config
    model.eval()
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = settings
        model.train(training)
