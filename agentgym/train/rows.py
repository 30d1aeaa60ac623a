"""Rows: one turn of one trajectory, as tensors that TRL's loss takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from agentgym.train.pictures import PICTURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from agentgym.episode import Turn

MIN_ADVANTAGE = 1e-6  # rows below it move nothing and are left out


@dataclass(frozen=True)
class Row:
    """A turn with what is learnt from it."""

    turn: Turn
    advantage: float | tuple[float, ...]
    """Of the whole turn, or (C,), one a token."""
    returns: tuple[float, ...] = ()
    """(C,) what the critic is to learn; () where there is none."""
    values: tuple[float, ...] = ()
    """(C,) what the critic said before it learnt from this."""
    pictures: tuple[NDArray[np.uint8], ...] = ()
    """Screenshots that its prompt holds, oldest first."""


def rows_to_batch(rows: Sequence[Row], *, pad_id: int, multiple: int, token_wise: bool = False) -> dict[str, Any]:
    """Return the batch of some rows, in the keys of TRL's `GRPOTrainer`.

    Prompts are padded on the left, completions on the right. Rows of weight zero (an empty completion mask) fill up to
    a multiple, so that the batch can be cut into equal slices.

    Args:
        rows: (R,) of any number, also none.
        pad_id: token id of padding.
        multiple: the number of rows returned, N, is the next multiple of this, at least it.
        token_wise: whether there is an advantage a token, and a critic.

    Returns:
        ``prompt_ids``, ``prompt_mask`` (N, P); ``completion_ids``, ``completion_mask``, ``old_per_token_logps`` (N, C);
        ``advantages`` (N,); ``num_items_in_batch`` (), the number of sampled tokens. Token-wise, ``advantages``,
        ``returns`` and ``old_values`` are (N, C), 0 where nothing was sampled. Where tokens were forced, ``tool_mask``
        (N, C) is 0 for them, as TRL wants it of tokens that are not the model's own. Where prompts hold pictures,
        ``pictures`` is a list of N tuples of screenshots, see `agentgym.train.pictures`.
    """
    count = max(multiple, -(-len(rows) // multiple) * multiple)
    width = max([1, *(len(row.turn.prompt_ids) for row in rows)])
    length = max([1, *(len(row.turn.completion_ids) for row in rows)])
    batch: dict[str, Any] = {
        "prompt_ids": torch.full((count, width), pad_id),
        "prompt_mask": torch.zeros((count, width), dtype=torch.long),
        "completion_ids": torch.full((count, length), pad_id),
        "completion_mask": torch.zeros((count, length), dtype=torch.long),
        "old_per_token_logps": torch.zeros((count, length)),
        "advantages": torch.zeros((count, length) if token_wise else count),
    }
    if token_wise:
        batch |= {"returns": torch.zeros((count, length)), "old_values": torch.zeros((count, length))}
    batch["prompt_mask"][:, -1] = 1  # filling rows attend to one token: a row without any gives NaN
    for index, row in enumerate(rows):
        turn = row.turn
        prompt, completion = len(turn.prompt_ids), len(turn.completion_ids)
        batch["prompt_ids"][index, width - prompt :] = torch.tensor(turn.prompt_ids)
        batch["prompt_mask"][index, width - prompt :] = 1
        batch["completion_ids"][index, :completion] = torch.tensor(turn.completion_ids)
        batch["completion_mask"][index, :completion] = 1
        batch["old_per_token_logps"][index, :completion] = torch.tensor(turn.logprobs)
        if token_wise:
            batch["advantages"][index, :completion] = torch.tensor(row.advantage)
            batch["returns"][index, :completion] = torch.tensor(row.returns)
            batch["old_values"][index, :completion] = torch.tensor(row.values)
        else:
            batch["advantages"][index] = row.advantage
    if any(row.turn.forced for row in rows):
        batch["tool_mask"] = torch.ones((count, length), dtype=torch.long)
        for index, row in enumerate(rows):
            batch["tool_mask"][index, list(row.turn.forced)] = 0
    if any(row.pictures for row in rows):
        batch[PICTURES] = [row.pictures for row in rows] + [()] * (count - len(rows))
    batch["num_items_in_batch"] = loss_mask(batch).sum()
    return batch


def loss_mask(batch: dict[str, Any]) -> torch.Tensor:
    """Return where tokens were sampled, (N, C), which is what losses cover."""
    return batch["completion_mask"] * batch.get("tool_mask", 1)  # type: ignore[no-any-return]  # a tensor of a batch


def slices_by_length(slices: Sequence[dict[str, Any]], window: int) -> list[dict[str, Any]]:
    """Return slices of the same rows with less padding.

    Rows change places only with rows of the same window, which is what one optimiser step learns from: they are
    sorted by the length of their prompts, and each slice is cut to the longest prompt and completion in it. They get a
    further key, ``row_weight`` (): all rows of the window by those of weight. A mean over rows, times that, leaves out
    the rows that only fill up.

    Args:
        slices: of a batch as `rows_to_batch` makes it, further keys (N, C) included; all of the same number of rows.
        window: how many neighbouring slices always fall into one optimiser step, a divisor of their number.
    """
    shorter = []
    for start in range(0, len(slices), window):
        together = slices[start : start + window]
        rows = {
            key: _chained([each[key] for each in together])
            for key, value in together[0].items()
            if isinstance(value, list) or value.ndim
        }
        order = rows["prompt_mask"].sum(dim=1).argsort(stable=True)
        weight = len(order) / rows["completion_mask"].any(dim=1).sum().clamp(min=1)
        for chosen, former in zip(order.tensor_split(window), together, strict=True):
            shorter.append(
                former | _cut({key: _chosen(value, chosen) for key, value in rows.items()}) | {"row_weight": weight}
            )
    return shorter


def _chained(parts: Sequence[Any]) -> Any:
    """Return the rows of several slices: of tensors, or of lists."""
    return [row for part in parts for row in part] if isinstance(parts[0], list) else torch.cat(list(parts))


def _chosen(rows: Any, order: torch.Tensor) -> Any:
    return [rows[number] for number in order.tolist()] if isinstance(rows, list) else rows[order]


def _cut(rows: dict[str, Any]) -> dict[str, Any]:
    """Leave out the columns at the outer ends that are padding in every row."""
    prompt = max(1, int(rows["prompt_mask"].sum(dim=1).max()))
    completion = max(1, int(rows["completion_mask"].sum(dim=1).max()))
    return {
        key: value
        if isinstance(value, list) or value.ndim < 2
        else value[:, -prompt:]
        if key.startswith("prompt_")
        else value[:, :completion]
        for key, value in rows.items()
    }
