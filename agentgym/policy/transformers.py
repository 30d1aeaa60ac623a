"""A transformers causal language model as a policy.

Prompts are batched, padded on the left and completed with a KV cache. Token ids and the log-probability of every
sampled token are recorded as they were, so that a learner never tokenises again. Text from a page is encoded apart
from the chat template's own text, with special tokens switched off: no page can end a message or start another.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from agentgym.errors import CheckpointError
from agentgym.policy.base import Completion, Policy, Prompt
from agentgym.policy.prompt import system_message, user_message

if TYPE_CHECKING:
    from collections.abc import Sequence


class ChatEncoder:
    """Turns the messages of a turn into token ids, keeping the template's special tokens to the template.

    Args:
        tokenizer: a transformers tokenizer with a chat template.

    Raises:
        CheckpointError: the tokenizer has no chat template, or one that does not show the user's message once.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        mark = secrets.token_hex(8)  # stands for the user's text while the template is rendered around it
        conversation = [{"role": "system", "content": system_message()}, {"role": "user", "content": mark}]
        if not tokenizer.chat_template:
            raise CheckpointError("The tokenizer has no chat template; agentgym needs an instruction-tuned model.")
        text = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
        if text.count(mark) != 1:
            raise CheckpointError("The tokenizer's chat template does not show the user's message exactly once.")
        before, after = text.split(mark)
        self._before = self._encode(before)
        self._after = self._encode(after)

    def encode(self, text: str) -> list[int]:
        """Return the prompt ids of a turn whose user message is ``text``."""
        content = self._encode(text, split_special_tokens=True)
        return [*self._before, *content, *self._after]

    def _encode(self, text: str, **options: Any) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False, **options)["input_ids"])


class TransformersPolicy(Policy):
    """Samples completions from a causal language model.

    Args:
        model: a transformers causal language model; used as it is, on its device.
        tokenizer: its tokenizer, with a chat template.
        temperature: of sampling; 0 takes the most likely token.
        max_new_tokens: tokens of a completion at most.
        batch_size: prompts that are completed at once at most.
    """

    name = "transformers"

    def __init__(
        self, model: Any, tokenizer: Any, *, temperature: float = 1.0, max_new_tokens: int = 48, batch_size: int = 64
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.temperature = temperature
        self._encoder = ChatEncoder(tokenizer)
        self._batch_size = batch_size
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        self._generation = GenerationConfig(
            max_new_tokens=max_new_tokens,
            do_sample=temperature > 0,
            temperature=temperature if temperature > 0 else None,
            top_k=0 if temperature > 0 else None,
            top_p=1.0 if temperature > 0 else None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=self._pad,
            return_dict_in_generate=True,
            output_scores=True,
            use_cache=True,
        )

    @classmethod
    def from_pretrained(cls, path: Path | str, *, device: str | None = None, **options: Any) -> TransformersPolicy:
        """Load a checkpoint folder.

        Raises:
            CheckpointError: the folder is not a loadable checkpoint.
        """
        folder = Path(path)
        if not (folder / "config.json").is_file():
            raise CheckpointError(
                f"{folder} is not a model checkpoint: it has no config.json. Give a folder that "
                "`save_pretrained` or `agentgym train` wrote, such as runs/NAME/checkpoints/final."
            )
        try:
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise CheckpointError(f"{folder} cannot be loaded as a causal language model: {error}") from error
        chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
        policy = cls(model.to(chosen).eval(), tokenizer, **options)
        policy.name = folder.name
        return policy

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Return one sampled completion a prompt."""
        completions: list[Completion] = []
        for start in range(0, len(prompts), self._batch_size):
            completions += self._complete_batch(prompts[start : start + self._batch_size])
        return completions

    def _complete_batch(self, prompts: Sequence[Prompt]) -> list[Completion]:
        texts = [user_message(prompt) for prompt in prompts]
        rows = [self._encoder.encode(text) for text in texts]
        width = max(len(row) for row in rows)
        device = self.model.device
        ids = torch.tensor([[self._pad] * (width - len(row)) + row for row in rows], device=device)  # (B, P)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)  # (B, P)
        was_training = self.model.training
        self.model.eval()
        with torch.no_grad():
            output = self.model.generate(input_ids=ids, attention_mask=mask, generation_config=self._generation)
        self.model.train(was_training)
        sampled = output.sequences[:, width:]  # (B, C)
        scores = torch.stack(output.scores, dim=1).float().log_softmax(-1)  # (B, C, V)
        logprobs = scores.gather(-1, sampled.unsqueeze(-1)).squeeze(-1)  # (B, C)
        return [
            self._completion(text, row, tokens, values)
            for text, row, tokens, values in zip(texts, rows, sampled.tolist(), logprobs.tolist(), strict=True)
        ]

    def _completion(self, text: str, prompt_ids: list[int], tokens: list[int], logprobs: list[float]) -> Completion:
        """Cut a row after its end token, which is kept: the model chose it, so it is learnt from."""
        end = self.tokenizer.eos_token_id
        length = tokens.index(end) + 1 if end in tokens else len(tokens)
        ids = tokens[:length]
        return Completion(
            text=self.tokenizer.decode(ids, skip_special_tokens=True),
            prompt_text=text,
            prompt_ids=tuple(prompt_ids),
            ids=tuple(ids),
            logprobs=tuple(logprobs[:length]),
        )
