"""A tiny model that knows how to click in the toy world, but not where: a start from which every group differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from agentgym.nano.tokenizer import completion_ids
from agentgym.policy.chat import ChatEncoder
from agentgym.policy.prompt import page_message
from agentgym.task import Instance
from tests.tiny_model import save_tiny_checkpoint
from tests.toy_world import TOY, ToyWorld

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 30
PROMPTS = 2  # a step
LEARNING_RATE = 5e-3


def save_toy_player(folder: Path) -> Path:
    """Teach a tiny model to press one of the first two buttons, whatever it is asked; return its folder."""
    save_tiny_checkpoint(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    encoder, world = ChatEncoder(tokenizer), ToyWorld()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    for step in range(STEPS):
        rows, answers = [], []
        for number in range(PROMPTS):
            observation = world.reset({0: Instance(TOY["toy/press"], step * PROMPTS + number)})[0]
            assert not isinstance(observation, Exception)
            for button in range(2):  # both answers to each prompt, so that neither becomes the usual one
                answers.append(completion_ids(tokenizer, f"click({button})"))
                rows.append([*encoder.encode(page_message(observation)), *answers[-1]])
        width, length = max(map(len, rows)), len(answers[0])
        ids = torch.tensor([[tokenizer.pad_token_id] * (width - len(row)) + row for row in rows])  # (B, T)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])  # (B, T)
        logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=length + 1).logits[:, :-1]  # (B, C, V)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor(answers).flatten())
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder
