"""Screenshots for models that see.

A prompt holds the newest few screenshots. Pictures go through the model's own image processor, which is called
directly: prompts are put together by `agentgym.policy.chat.ChatEncoder`, token by token, and the composite processors
of several families cannot even be loaded without torchvision. What a model saw is kept as pictures, once; the learner
makes their patches again, for as many rows as it needs at a time.

Known: the families whose processor says ``image_grid_thw`` (Qwen2-VL to Qwen3-VL, GLM-4.1V to GLM-4.6V, Kimi K2.5), in
which a picture has as many visual tokens as its grid has cells of ``merge_size`` squared patches.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import torch
from PIL import Image

from agentgym.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from agentgym.policy.sight import Sight

    Screenshot = NDArray[np.uint8]


class Pixels(NamedTuple):
    """Pictures as a model takes them."""

    pixel_values: torch.Tensor
    """(patches of all pictures, D)."""
    image_grid_thw: torch.Tensor
    """(pictures, 3): frames, rows and columns of patches."""


class Vision:
    """The eyes of a model.

    Args:
        processor: its image processor.
        model: a transformers model that sees.
        sight: what it is shown.

    Raises:
        CheckpointError: the model or its processor is of a kind that is not known.
    """

    def __init__(self, processor: Any, model: Any, sight: Sight) -> None:
        self.sight = sight
        self.processor = processor
        self.placeholder: int = _image_token(model)
        """Id of the token that stands for a part of a picture."""
        if "image_grid_thw" not in processor.model_input_names:
            raise CheckpointError(
                f"The image processor {type(processor).__name__} gives {', '.join(processor.model_input_names)}; "
                "known are those that give image_grid_thw, such as Qwen3-VL's. Leave out `vision` to play by text."
            )
        merge = getattr(processor, "merge_size", None)
        self._merge = int(merge if isinstance(merge, int) else model.config.vision_config.spatial_merge_size)
        self._typed = "mm_token_type_ids" in inspect.signature(type(model).forward).parameters

    @classmethod
    def from_pretrained(cls, folder: Path, model: Any, sight: Sight) -> Self:
        """Load the image processor of a checkpoint.

        Raises:
            CheckpointError: there is none that can be loaded.
            ConfigError: the model sees nothing.
        """
        from transformers import AutoImageProcessor

        if not sees(model.config):
            raise ConfigError(
                f"vision.screenshots is {sight.screenshots}, but {folder} is a model that reads text alone. Take one "
                "that sees, such as a Qwen3-VL, or leave out `vision`."
            )
        try:
            processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, ImportError) as error:
            raise CheckpointError(f"The image processor of {folder} cannot be loaded: {error}") from error
        return cls(processor, model, sight)

    def save(self, folder: Path | str) -> None:
        """Write the image processor beside a model."""
        self.processor.save_pretrained(folder)

    def shown(self, screenshot: Screenshot) -> Screenshot:
        """Return a screenshot in the size in which it is shown, (height, width, 3)."""
        height, width = screenshot.shape[:2]
        longest = self.sight.longest_side
        if longest is None or max(height, width) <= longest:
            return screenshot
        share = longest / max(height, width)
        size = max(1, round(width * share)), max(1, round(height * share))
        return np.asarray(Image.fromarray(screenshot).resize(size, Image.Resampling.LANCZOS))

    def pixels(self, screenshots: Sequence[Screenshot]) -> Pixels:
        """Return screenshots as the model takes them; at least one."""
        found = self.processor(images=[self.shown(each) for each in screenshots], return_tensors="pt")
        return Pixels(found["pixel_values"], found["image_grid_thw"])

    def token_counts(self, pixels: Pixels) -> list[int]:
        """Return how many visual tokens each picture has."""
        return [int(each) for each in pixels.image_grid_thw.prod(-1) // self._merge**2]

    def inputs(self, input_ids: torch.Tensor, pixels: Pixels | None) -> dict[str, torch.Tensor]:
        """Return what a model takes beside the ids of some rows, (B, T): nothing where they hold no picture."""
        if pixels is None:
            return {}
        device = input_ids.device
        inputs = {
            "pixel_values": pixels.pixel_values.to(device),
            "image_grid_thw": pixels.image_grid_thw.to(device),
        }
        if self._typed:
            inputs["mm_token_type_ids"] = (input_ids == self.placeholder).int()
        return inputs


def joined(pixels: Sequence[Pixels | None]) -> Pixels | None:
    """Return the pictures of several prompts as one; None where there are none."""
    found = [each for each in pixels if each is not None]
    if not found:
        return None
    return Pixels(torch.cat([each.pixel_values for each in found]), torch.cat([each.image_grid_thw for each in found]))


def sees(config: Any) -> bool:
    """Whether a model of this configuration takes pictures."""
    return "vision_config" in type(config).sub_configs


def _image_token(model: Any) -> int:
    found = getattr(model.config, "image_token_id", None)
    if not isinstance(found, int):
        raise CheckpointError(f"{type(model).__name__} names no image_token_id, so its prompts can hold no picture.")
    return found
