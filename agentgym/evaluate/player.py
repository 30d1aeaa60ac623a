"""Whose episodes a folder keeps: a note beside them, so that nobody goes on with those of another policy.

Policies by name are told apart by name, dialect and, for checkpoints, their weights and how they sample; objects by
what they say of themselves, their name and dialect.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agentgym.errors import ConfigError, StoreError
from agentgym.policy.base import MAX_NEW_TOKENS
from agentgym.policy.loading import SCRIPTED, checkpoint_folder
from agentgym.policy.sight import BLIND, Sight
from agentgym.policy.speech import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PLAYER = "player.json"
RUN = "config.yaml"  # what makes a folder a training run's
RUNS_OWN = frozenset({"trajectories", "checkpoints", "metrics"})  # folders in there that only the run writes
UNSAID = {  # of a folder whose note does not say it
    "dialect": DEFAULT,
    "max_new_tokens": MAX_NEW_TOKENS,
    "thinking_tokens": 0,
    "chat_template": None,
    **asdict(BLIND),
}


def named_player(
    policy: str,
    *,
    dialect: str,
    temperature: float,
    max_new_tokens: int,
    thinking_tokens: int = 0,
    sight: Sight = BLIND,
    chat_template: Path | None = None,
) -> dict[str, Any]:
    """Return what tells a policy that is given by name from others, and its weights from those before them.

    Args:
        policy: its name, or a checkpoint's folder.
        dialect: in which it writes actions.
        temperature: this and the following of a checkpoint, as `TransformersPolicy` takes them.
        max_new_tokens: tokens of an answer at most.
        thinking_tokens: of a thought at most.
        sight: what it is shown.
        chat_template: a file with the template that is used instead of the checkpoint's.

    Raises:
        ConfigError: the temperature is none.
        UnknownNameError: it is neither a name nor a folder.
        CheckpointError: the folder is not a checkpoint.
    """
    if not 0 <= temperature < math.inf:
        raise ConfigError(f"temperature: a finite number of at least 0 is wanted, got {temperature}.")
    if policy in SCRIPTED:
        return {"policy": policy, "dialect": dialect}
    checkpoint = checkpoint_folder(policy)
    digest = hashlib.sha256()
    for path in sorted(checkpoint.glob("*.safetensors")):
        with path.open("rb") as weights:
            digest.update(hashlib.file_digest(weights, "sha256").digest())
    return {
        "policy": str(checkpoint.resolve()),
        "weights": digest.hexdigest(),
        "temperature": temperature,
        "max_new_tokens": max_new_tokens,
        "dialect": dialect,
        "thinking_tokens": thinking_tokens,
        "chat_template": None if chat_template is None else str(chat_template.resolve()),
        **asdict(sight),
    }


def check_player(folder: Path, player: dict[str, Any]) -> None:
    """Refuse to go on with the episodes of another policy; a folder without a note is anybody's.

    Raises:
        ConfigError: the folder's are another policy's, or were sampled otherwise or written in another dialect.
        StoreError: the note that says whose they are cannot be read.
    """
    note = folder / PLAYER
    if not note.exists():
        return
    try:
        before = json.loads(note.read_text())
    except ValueError as error:
        raise StoreError(f"{note} is not readable JSON: {error}. Choose another folder.") from error
    if not isinstance(before, dict):
        raise StoreError(f"{note} does not say whose episodes these are. Choose another folder.")
    before, player = UNSAID | before, UNSAID | player
    if before != player:
        differing = [key for key in UNSAID if before[key] != player[key]]
        raise ConfigError(
            f"{folder} keeps episodes of {_named(before, differing)}, not of {_named(player, differing)}. "
            "Choose another folder."
        )


def check_place(folder: Path) -> None:
    """Refuse the folder of a training run, and those that the run keeps in it, for other episodes.

    Raises:
        ConfigError: it is one.
    """
    place = folder.resolve()
    for run in (place, *place.parents):
        inside = place.relative_to(run).parts
        if (run / RUN).is_file() and (not inside or inside[0] in RUNS_OWN):
            raise ConfigError(
                f"{folder} belongs to the training run in {run}, which keeps its own episodes. Choose another folder, "
                f"such as {run / 'eval'}."
            )


def note_player(folder: Path, player: dict[str, Any]) -> None:
    """Write down whose episodes a folder is going to keep; makes the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PLAYER).write_text(json.dumps(player, indent=2) + "\n")


def _named(player: dict[str, Any], details: Sequence[str]) -> str:
    weights = f" (weights {str(player['weights'])[:8]})" if "weights" in player else ""
    temperature = f" at temperature {player['temperature']}" if "temperature" in player else ""
    more = "".join(f" with {key} {player[key]}" for key in details)
    return f"{player.get('policy')}{weights}{temperature}{more}"
