"""Rows: one turn of one trajectory, as tensors that TRL's loss takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym.episode import Turn

MIN_ADVANTAGE = 1e-6  # rows below it move nothing and are left out


@dataclass(frozen=True)
class Row:
    """A turn with the advantage of its episode."""

    turn: Turn
    advantage: float


def rows_to_batch(rows: Sequence[Row], *, pad_id: int, multiple: int) -> dict[str, torch.Tensor]:
    """Return the batch of some rows, in the keys of TRL's `GRPOTrainer`.

    Prompts are padded on the left, completions on the right. Rows of weight zero (an empty completion mask) fill up to
    a multiple, so that the batch can be cut into equal slices.

    Args:
        rows: (R,) of any number, also none.
        pad_id: token id of padding.
        multiple: the number of rows returned, N, is the next multiple of this, at least it.

    Returns:
        ``prompt_ids``, ``prompt_mask`` (N, P); ``completion_ids``, ``completion_mask``, ``old_per_token_logps`` (N, C);
        ``advantages`` (N,); ``num_items_in_batch`` (), the number of sampled tokens.
    """
    count = max(multiple, -(-len(rows) // multiple) * multiple)
    width = max((len(row.turn.prompt_ids) for row in rows), default=1)
    length = max((len(row.turn.completion_ids) for row in rows), default=1)
    batch = {
        "prompt_ids": torch.full((count, width), pad_id),
        "prompt_mask": torch.zeros((count, width), dtype=torch.long),
        "completion_ids": torch.full((count, length), pad_id),
        "completion_mask": torch.zeros((count, length), dtype=torch.long),
        "old_per_token_logps": torch.zeros((count, length)),
        "advantages": torch.zeros(count),
    }
    batch["prompt_mask"][:, -1] = 1  # filling rows attend to one token: a row without any gives NaN
    for index, row in enumerate(rows):
        turn = row.turn
        prompt, completion = len(turn.prompt_ids), len(turn.completion_ids)
        batch["prompt_ids"][index, width - prompt :] = torch.tensor(turn.prompt_ids)
        batch["prompt_mask"][index, width - prompt :] = 1
        batch["completion_ids"][index, :completion] = torch.tensor(turn.completion_ids)
        batch["completion_mask"][index, :completion] = 1
        batch["old_per_token_logps"][index, :completion] = torch.tensor(turn.logprobs)
        batch["advantages"][index] = row.advantage
    batch["num_items_in_batch"] = batch["completion_mask"].sum()
    return batch


def slices_by_length(slices: Sequence[dict[str, torch.Tensor]], window: int) -> list[dict[str, torch.Tensor]]:
    """Return slices of the same rows with less padding.

    Rows change places only with rows of the same window, which is what one optimiser step learns from: they are
    sorted by the length of their prompts, and each slice is cut to the longest prompt and completion in it.

    Args:
        slices: of a batch as `rows_to_batch` makes it, further keys (N, C) included; all of the same number of rows.
        window: how many neighbouring slices always fall into one optimiser step, a divisor of their number.
    """
    shorter = []
    for start in range(0, len(slices), window):
        together = slices[start : start + window]
        rows = {key: torch.cat([each[key] for each in together]) for key in together[0] if together[0][key].ndim}
        order = rows["prompt_mask"].sum(dim=1).argsort(stable=True)
        for chosen, former in zip(order.tensor_split(window), together, strict=True):
            shorter.append(former | _cut({key: value[chosen] for key, value in rows.items()}))
    return shorter


def _cut(rows: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Leave out the columns at the outer ends that are padding in every row."""
    prompt = max(1, int(rows["prompt_mask"].sum(dim=1).max()))
    completion = max(1, int(rows["completion_mask"].sum(dim=1).max()))
    return {
        key: value if value.ndim < 2 else value[:, -prompt:] if key.startswith("prompt_") else value[:, :completion]
        for key, value in rows.items()
    }
