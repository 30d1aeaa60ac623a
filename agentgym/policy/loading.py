"""Policies by name: ``random``, ``oracle``, ``nano`` or a checkpoint folder."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentgym.errors import CheckpointError, MissingDependencyError, unknown_name
from agentgym.nano import CHECKPOINT
from agentgym.policy.speech import DEFAULT, Speech
from agentgym.versions import installation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym.policy.base import Policy

HINT = "Give a folder that `save_pretrained` wrote, with model and tokenizer."
SCRIPTED = ("random", "oracle")  # policies without weights
NAMES = (*SCRIPTED, "nano")
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")  # as a model is called on the Hugging Face hub


def load_policy(name: str, *, dialect: str = DEFAULT, threads: int | None = None, **options: Any) -> Policy:
    """Return a policy by its name; a checkpoint sets up torch in this process, see `prepare_torch`.

    Args:
        name: ``random``, ``oracle``, ``nano``, or the folder of a checkpoint.
        dialect: in which it writes actions, see `Speech`.
        threads: of torch, for checkpoints.
        options: for checkpoints, those of `TransformersPolicy.from_pretrained`; for ``random``, its seed.

    Raises:
        UnknownNameError: it is neither a name nor a folder, or there is no such dialect.
        ConfigError: the scale of the dialect does not fit.
        CheckpointError: the folder is not a loadable checkpoint.
        MissingDependencyError: a checkpoint needs packages that are not installed.
    """
    speech = Speech(dialect)
    if name == "random":
        from agentgym.policy.random import RandomPolicy

        return RandomPolicy(seed=int(options.get("seed", 0)), speech=speech)
    if name == "oracle":
        from agentgym.policy.oracle import OraclePolicy

        return OraclePolicy(speech=speech)
    folder = checkpoint_folder(name)
    prepare_torch(threads)
    from agentgym.policy.transformers import TransformersPolicy

    return TransformersPolicy.from_pretrained(folder, speech=speech, **options)


def prepare_torch(threads: int | None) -> None:
    """Set up torch and transformers of this process for playing in a world beside it.

    Args:
        threads: of torch; None leaves one core to the world. Where torch takes every core, and another process needs
            one of them, each operation waits for its last thread, and playing is many times slower.

    Raises:
        MissingDependencyError: they are not installed.
    """
    _check_torch()
    import torch
    import transformers

    torch.set_num_threads(threads or max(1, len(os.sched_getaffinity(0)) - 1))
    transformers.logging.set_verbosity_error()  # progress is ours; what goes wrong still raises
    transformers.logging.disable_progress_bar()


def _check_torch() -> None:
    if find_spec("torch") is None or find_spec("transformers") is None:
        raise MissingDependencyError(f"Checkpoints need torch and transformers: {installation('train')}.")


def checkpoint_folder(name: str, *, known: Sequence[str] = NAMES) -> Path:
    """Return the folder of ``nano`` or of a checkpoint; cheap, so that mistakes are found before anything starts.

    Args:
        name: of either.
        known: the names that a mistyped one is compared with.

    Raises:
        UnknownNameError: there is no such folder, and the name is no policy's.
        CheckpointError: it is a file, or a folder without a model.
    """
    folder = CHECKPOINT if name == "nano" else Path(name)
    if name == "nano" and not folder.exists():
        raise CheckpointError(
            f"{folder} is missing: this installation has no starter model. Install the package again."
        )
    if not folder.exists():
        hint = f"Give {', '.join(known)} or the folder of a checkpoint."
        if HUB_NAME.fullmatch(name):
            hint += f" Models are not downloaded here; do so first: `hf download {name} --local-dir {name}`."
        raise unknown_name("policy or checkpoint folder", name, known, hint=hint)
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder} is not a model checkpoint: it has no config.json. {HINT}")
    return folder
