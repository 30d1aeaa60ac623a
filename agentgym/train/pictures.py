"""Pictures of rows: kept as screenshots, made into patches for a few rows at a time.

A batch of a whole generation holds, under ``pictures``, the screenshots of each row's prompt; rows of one episode share
them. Their patches would be many times as large, so they are made when a slice of the batch is learnt from, by the
image processor that made them for the policy: they are the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from agentgym.policy.vision import Vision

PICTURES = "pictures"
MODEL_INPUTS = ("pixel_values", "image_grid_thw", "mm_token_type_ids")
"""What a model that sees takes beside ids and mask; in the words of TRL's `GRPOTrainer`, too."""


def seen(batch: dict[str, Any], vision: Vision | None) -> dict[str, Any]:
    """Return a batch, or a slice of one, with patches instead of pictures.

    Args:
        batch: of N rows, as `rows_to_batch` makes it; also one without pictures, which is returned as it is.
        vision: the model's eyes.

    Returns:
        The batch with ``pixel_values`` (patches, D), ``image_grid_thw`` (pictures, 3), ``num_images``, a list of N, and
        for models that want it ``mm_token_type_ids`` (N, P + C); without all of these where no row holds a picture.
    """
    if PICTURES not in batch:
        return batch
    assert vision is not None, "rows of a policy that sees"
    rest = {key: value for key, value in batch.items() if key != PICTURES}
    pictures = [picture for row in batch[PICTURES] for picture in row]
    if not pictures:
        return rest
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)  # (N, P + C)
    inputs = vision.inputs(ids, vision.pixels(pictures))
    return rest | inputs | {"num_images": [len(row) for row in batch[PICTURES]]}


def model_inputs(batch: dict[str, Any]) -> dict[str, Any]:
    """Return what a model takes of a batch beside ids and mask."""
    return {key: batch[key] for key in MODEL_INPUTS if batch.get(key) is not None}
