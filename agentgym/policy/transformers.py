"""A transformers causal language model as a policy.

Prompts are batched, padded on the left and completed with a KV cache. Token ids and the log-probability of every
sampled token are recorded as they were, so that a learner never tokenises again. Tokens are drawn from the model's own
distribution at a temperature: penalties and cut-offs that a checkpoint's generation_config.json asks for are left out,
because a learner that computes the probabilities anew knows nothing of them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from agentgym.errors import CheckpointError
from agentgym.policy.base import MAX_NEW_TOKENS, Completion, Policy, Prompt
from agentgym.policy.chat import ChatEncoder
from agentgym.policy.loading import HINT, checkpoint_folder
from agentgym.policy.prompt import system_message, user_message
from agentgym.policy.speech import SCREEN, Speech

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class TransformersPolicy(Policy):
    """Samples completions from a causal language model.

    Args:
        model: a transformers causal language model; used as it is, on its device.
        tokenizer: its tokenizer, with a chat template.
        temperature: of sampling; 0 takes the most likely token.
        max_new_tokens: tokens of a completion at most.
        batch_size: prompts that are completed at once at most.
        speech: the dialect in which the model is asked to write actions.

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
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.temperature = temperature
        self.speech = speech
        self._encoders: dict[str, ChatEncoder] = {}  # by system message: one a size of screen, where that matters
        self._encoder(system_message(speech.on(SCREEN)))  # a template that cannot carry it is told now
        self._batch_size = batch_size
        self._ends = _end_tokens(model, tokenizer)
        if not self._ends:
            raise CheckpointError("Neither tokenizer nor generation_config.json names an eos token, so nothing ends.")
        self._silent = _silent_tokens(tokenizer, speech)
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self._ends[0]
        self._generation = GenerationConfig(
            max_new_tokens=max_new_tokens,
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
    def from_pretrained(cls, path: Path | str, *, device: str | None = None, **options: Any) -> TransformersPolicy:
        """Load a checkpoint folder.

        Args:
            path: the folder.
            device: as PyTorch names it; None takes the accelerator if there is one, else the CPU.
            options: arguments of the constructor.

        Raises:
            CheckpointError: the folder is not a loadable checkpoint.
            UnknownNameError: there is no such folder.
        """
        folder = checkpoint_folder(str(path))
        try:
            model, loading = AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            raise CheckpointError(f"{folder} cannot be loaded as a causal language model: {error} {HINT}") from error
        if loading["missing_keys"]:  # transformers would go on with random weights in their place
            missing = sorted(loading["missing_keys"])
            raise CheckpointError(f"{folder} lacks {len(missing)} weights of the model, such as {missing[0]}. {HINT}")
        try:
            policy = cls(model.to(device or _best_device()).eval(), tokenizer, **options)
        except CheckpointError as error:
            raise CheckpointError(f"{folder}: {error}") from error
        policy.name = folder.name
        return policy

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Return one sampled completion a prompt."""
        dialects = [self.dialect(prompt) for prompt in prompts]
        texts = [user_message(prompt, dialect) for prompt, dialect in zip(prompts, dialects, strict=True)]
        return self._answer(texts, [system_message(dialect) for dialect in dialects])

    def answer(self, messages: Sequence[str]) -> list[Completion]:
        """Return one sampled completion a user message, under the system message of the default dialect."""
        return self._answer(messages, [system_message()] * len(messages))

    def _answer(self, texts: Sequence[str], systems: Sequence[str]) -> list[Completion]:
        rows = [self._encoder(system).encode(text) for text, system in zip(texts, systems, strict=True)]
        completions: list[Completion] = []
        for start in range(0, len(rows), self._batch_size):
            end = start + self._batch_size
            completions += self._answer_batch(texts[start:end], rows[start:end])
        return completions

    def _encoder(self, system: str) -> ChatEncoder:
        if system not in self._encoders:
            self._encoders[system] = ChatEncoder(self.tokenizer, system)
        return self._encoders[system]

    def _answer_batch(self, texts: Sequence[str], rows: Sequence[list[int]]) -> list[Completion]:
        width = max(len(row) for row in rows)
        device = self.model.device
        ids = torch.tensor([[self._pad] * (width - len(row)) + row for row in rows], device=device)  # (B, P)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)  # (B, P)
        with torch.no_grad(), _plain(self.model):
            output = self.model.generate(input_ids=ids, attention_mask=mask, generation_config=self._generation)
        sampled = output.sequences[:, width:]  # (B, C)
        chosen = [  # one step at a time: all steps of a large vocabulary at once are gigabytes
            scores.float().log_softmax(-1).gather(-1, tokens.unsqueeze(-1))  # (B, V) -> (B, 1)
            for scores, tokens in zip(output.scores, sampled.unbind(1), strict=True)
        ]
        logprobs = torch.cat(chosen, dim=1)  # (B, C)
        return [
            self._completion(text, row, tokens, values)
            for text, row, tokens, values in zip(texts, rows, sampled.tolist(), logprobs.tolist(), strict=True)
        ]

    def _completion(self, text: str, prompt_ids: list[int], tokens: list[int], logprobs: list[float]) -> Completion:
        """Cut a row after its end token, which is kept: the model chose it, so it is learnt from."""
        end = next((index for index, token in enumerate(tokens) if token in self._ends), len(tokens))
        ids = tokens[: end + 1]
        return Completion(
            text=self.tokenizer.decode([token for token in tokens[:end] if token not in self._silent]),
            prompt_text=text,
            prompt_ids=tuple(prompt_ids),
            ids=tuple(ids),
            logprobs=tuple(logprobs[: len(ids)]),
        )


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
