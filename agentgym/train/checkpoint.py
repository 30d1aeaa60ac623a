"""From which checkpoint a run goes on: the newest that is whole, with a word on those that are not.

The trainer writes a checkpoint file by file, its state last, so one that was cut off has none. One whose files were
damaged later has: weights are checked against their header, optimiser and random state for the end of their archive.
Not noticed: bytes that changed and left the lengths as they were.
"""

from __future__ import annotations

import json
import re
import zipfile
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from agentgym.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agentgym.train.folder import RunFolder


def last_checkpoint(folder: RunFolder, per_generation: int, say: Callable[[str], None]) -> tuple[Path | None, int]:
    """Return the newest whole checkpoint of a run, and how many generations it has learnt from.

    Args:
        folder: of the run.
        per_generation: optimiser steps a generation.
        say: is told which checkpoints are passed over, and what is going to be played again for want of one.

    Returns:
        None and 0 where no checkpoint was written to its end yet.

    Raises:
        StoreError: all checkpoints are broken, and not for having been cut off: the run had gone on after one of them.
    """
    played = len(folder.read_progress())
    broken: list[tuple[int, str]] = []
    for steps, path in _numbered(folder.checkpoints):
        reason = flaw(path)
        generations = steps // per_generation
        if reason is None:
            for _, told in broken:
                say(f"{told}; going on from {path.name}.")
            return path, generations
        broken.append((generations, f"{path} is not whole: {reason}"))
    lost = [told for generations, told in broken if generations < played]
    if lost:
        raise StoreError(
            f"No checkpoint of this run can be gone on from. {'. '.join(lost)}. Restore one; to play all "
            f"{played} generations again, remove {folder.checkpoints} or leave out --resume."
        )
    if played:
        say(f"No checkpoint was written to its end yet, so what was played ({played} generations) is played again.")
    return None, 0


def flaw(checkpoint: Path) -> str | None:
    """Return what a checkpoint's folder lacks, or None where it is whole."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text())
    except FileNotFoundError:
        return "trainer_state.json, which is written last, is missing"
    except (OSError, ValueError) as error:
        return f"trainer_state.json: {error}"
    weights = sorted(checkpoint.glob("*.safetensors"))
    indexed = {name for index in checkpoint.glob("*.safetensors.index.json") for name in _shards(index)}
    missing = sorted(indexed - {path.name for path in weights})
    if missing or not weights:
        return f"{missing[0] if missing else 'model.safetensors'} is missing"
    for path in weights:
        try:
            with safe_open(path, framework="np"):
                pass
        except (OSError, SafetensorError) as error:
            return f"{path.name}: {error}"
    for path in sorted(checkpoint.glob("*.pt*")):
        if not zipfile.is_zipfile(path):
            return f"{path.name} is cut off"
    return None


def _shards(index: Path) -> set[str]:
    """Return the files that an index of weights names; where it cannot be read, itself, as it is as good as missing."""
    try:
        return set(json.loads(index.read_text())["weight_map"].values())
    except (OSError, ValueError, KeyError):
        return {index.name}


def _numbered(checkpoints: Path) -> list[tuple[int, Path]]:
    """Return the checkpoints by the optimiser steps that they were written after, the newest first."""
    found = [(re.fullmatch(r"checkpoint-(\d+)", path.name), path) for path in checkpoints.glob("checkpoint-*")]
    return sorted(((int(match[1]), path) for match, path in found if match), reverse=True)
