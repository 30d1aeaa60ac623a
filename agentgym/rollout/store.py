"""Trajectories on disk: Parquet shards and image files.

A folder holds ``trajectories-NNNNN.parquet``, one row a turn, and ``images/``, the screenshots as PNG named by their
content. Shards are written aside and get their name when they are whole; several processes may append to one folder.
They read back as trajectories, and with ``datasets.load_dataset("parquet", data_files="…/*.parquet")``. An episode
without turns, which only a failed machine leaves, is one row with ``turn`` -1.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from agentgym.episode import EpisodeKey, Outcome, Trajectory, Turn
from agentgym.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

SCHEMA = pa.schema(
    [
        ("episode", pa.string()),
        ("task_id", pa.string()),
        ("seed", pa.int64()),
        ("attempt", pa.int32()),
        ("instruction", pa.string()),
        ("outcome", pa.string()),
        ("score", pa.float64()),
        ("reason", pa.string()),
        ("penalty", pa.float64()),
        ("policy_version", pa.int64()),
        ("isolation", pa.string()),
        ("turn", pa.int32()),
        ("prompt", pa.string()),
        ("completion", pa.string()),
        ("action", pa.string()),
        ("error", pa.string()),
        ("prompt_ids", pa.list_(pa.int32())),
        ("completion_ids", pa.list_(pa.int32())),
        ("logprobs", pa.list_(pa.float32())),
        ("screenshot", pa.string()),
        ("forced", pa.list_(pa.int32())),
        ("shown", pa.int32()),
    ]
)
OPTIONAL = frozenset({"score", "screenshot", "isolation", "forced", "shown"})
"""Columns that may be null; the last three are missing in older files."""
TURN = SCHEMA.names[SCHEMA.names.index("turn") + 1 :]  # columns of a turn, null where an episode has none
SHARD = re.compile(r"trajectories-(\d+)\.parquet")


class TrajectoryStore:
    """A folder of trajectories.

    Args:
        folder: where; made at the first write.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def append(self, trajectories: Sequence[Trajectory]) -> None:
        """Write trajectories as one further shard; all of them are there afterwards, or none.

        Raises:
            StoreError: the folder cannot be written, for example because the disk is full.
        """
        if not trajectories:
            return
        try:
            (self.folder / "images").mkdir(parents=True, exist_ok=True)
            rows = [row for trajectory in trajectories for row in self._rows(trajectory)]
            self._write_shard(pa.Table.from_pylist(rows, schema=SCHEMA))
        except OSError as error:
            raise StoreError(
                f"Trajectories cannot be written to {self.folder}: {error.strerror or error}. "
                "Free some space or choose another folder; what was written before is whole."
            ) from error

    def shards(self) -> list[Path]:
        """Return the shards in the order of their writing."""
        return [path for _, path in self._numbered()]

    def truncate(self, shards: int) -> None:
        """Keep the first so many shards and remove the others; images stay."""
        for path in self.shards()[shards:]:
            path.unlink()

    def read(self) -> Iterator[Trajectory]:
        """Yield all trajectories in the order of their writing, with their screenshots.

        Raises:
            StoreError: a shard or an image is corrupt; the message names it.
        """
        for path in self.shards():
            episode: list[dict[str, Any]] = []
            for row in _read_rows(path):
                if episode and row["turn"] <= 0:
                    yield self._trajectory(episode)
                    episode = []
                episode.append(row)
            if episode:
                yield self._trajectory(episode)

    def _numbered(self) -> list[tuple[int, Path]]:
        found = [(SHARD.fullmatch(path.name), path) for path in self.folder.glob("trajectories-*.parquet")]
        return sorted((int(match[1]), path) for match, path in found if match)

    def _rows(self, trajectory: Trajectory) -> Iterator[dict[str, Any]]:
        key = trajectory.key
        episode = {
            "episode": str(key),
            "task_id": key.task_id,
            "seed": key.seed,
            "attempt": key.attempt,
            "instruction": _text(trajectory.instruction),
            "outcome": trajectory.outcome,
            "score": trajectory.score,
            "reason": _text(trajectory.reason),
            "penalty": trajectory.penalty,
            "policy_version": trajectory.policy_version,
            "isolation": trajectory.isolation,
        }
        if not trajectory.turns:
            yield {**episode, "turn": -1}
        for number, turn in enumerate(trajectory.turns):
            yield {
                **episode,
                "turn": number,
                "prompt": _text(turn.prompt),
                "completion": _text(turn.completion),
                "action": turn.action,
                "error": _text(turn.error),
                "prompt_ids": turn.prompt_ids,
                "completion_ids": turn.completion_ids,
                "logprobs": turn.logprobs,
                "screenshot": None if turn.screenshot is None else self._save_image(turn.screenshot),
                "forced": turn.forced,
                "shown": turn.shown,
            }

    def _save_image(self, screenshot: NDArray[np.uint8]) -> str:
        """Write an image unless it is there; return its path relative to the folder."""
        buffer = io.BytesIO()
        Image.fromarray(screenshot).save(buffer, "PNG")
        content = buffer.getvalue()
        name = f"images/{hashlib.sha256(content).hexdigest()[:24]}.png"
        path = self.folder / name
        if not path.exists():
            _write_aside(path, lambda aside: aside.write_bytes(content), replace=True)
        return name

    def _write_shard(self, table: pa.Table) -> None:
        """Write a table under the next number that no other process has taken meanwhile."""
        numbered = self._numbered()
        for number in count(numbered[-1][0] + 1 if numbered else 0):
            path = self.folder / f"trajectories-{number:05d}.parquet"
            if _write_aside(path, lambda aside: pq.write_table(table, aside, write_page_checksum=True)):
                return

    def _trajectory(self, rows: list[dict[str, Any]]) -> Trajectory:
        first = rows[0]
        return Trajectory(
            key=EpisodeKey(first["task_id"], first["seed"], first["attempt"]),
            instruction=first["instruction"],
            turns=tuple(self._turn(row) for row in rows if row["turn"] >= 0),
            outcome=first["outcome"],
            score=first["score"],
            reason=first["reason"],
            penalty=first["penalty"],
            policy_version=first["policy_version"],
            isolation=first["isolation"] or "",
        )

    def _turn(self, row: dict[str, Any]) -> Turn:
        return Turn(
            prompt=row["prompt"],
            completion=row["completion"],
            action=row["action"],
            error=row["error"],
            prompt_ids=tuple(row["prompt_ids"]),
            completion_ids=tuple(row["completion_ids"]),
            logprobs=tuple(row["logprobs"]),
            screenshot=None if row["screenshot"] is None else self._read_image(row["screenshot"]),
            forced=tuple(row["forced"] or ()),
            shown=row["shown"] or 0,
        )

    def _read_image(self, name: str) -> NDArray[np.uint8]:
        """Read an image; the name comes from a file, so only its last part is believed, and only PNG is decoded."""
        path = self.folder / "images" / Path(name).name
        try:
            with Image.open(path, formats=["PNG"]) as image:
                return np.asarray(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # Pillow's ways to say so
            raise StoreError(f"{path} is not a readable image: {error}. Take it from a copy of the folder.") from error


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a shard; what is returned are rows that a store writes."""
    try:
        table = pq.read_table(path, schema=SCHEMA, page_checksum_verification=True)
        rows: list[dict[str, Any]] = table.to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(path, str(error)) from error
    for row in rows:
        empty = OPTIONAL.union(TURN if row["turn"] == -1 else ())
        lacking = [name for name, value in row.items() if value is None and name not in empty]
        if lacking:
            raise _unreadable(path, f"column {lacking[0]} is empty or missing")
        if row["outcome"] not in get_args(Outcome) or (row["score"] is None) != (row["outcome"] == "infrastructure"):
            raise _unreadable(path, f"outcome {row['outcome']!r} with score {row['score']}")
    return rows


def _unreadable(path: Path, reason: str) -> StoreError:
    return StoreError(
        f"{path} is not a readable trajectory file: {reason}. Remove it: other shards are whole without it."
    )


def _write_aside(path: Path, write: Callable[[Path], object], *, replace: bool = False) -> bool:
    """Write a file under another name, then give it its own; False if that is taken and not to be replaced."""
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        write(aside)
        return _rename(aside, path) if replace else _claim(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _rename(aside: Path, path: Path) -> bool:
    aside.rename(path)
    return True


def _claim(aside: Path, path: Path) -> bool:
    """Give a file a name unless there is such a file, which renaming would replace."""
    try:
        os.link(aside, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links: two writers at the same moment may meet here
        return not path.exists() and _rename(aside, path)
    return True


def _text(text: str) -> str:
    """Replace halves of surrogate pairs, which a model's answer may hold and no file can."""
    return text.encode("utf-8", "replace").decode()
