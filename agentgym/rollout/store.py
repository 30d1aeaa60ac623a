"""Trajectories on disk: Parquet shards and image files.

A folder holds ``trajectories-NNNNN.parquet``, one row a turn, and ``images/``, the screenshots as PNG named by their
content. Shards are written aside and renamed, so that a shard that is there is whole. They read back as trajectories,
and with ``datasets.load_dataset("parquet", data_files="…/*.parquet")``. An episode without turns, which only a failed
machine leaves, is one row with ``turn`` -1.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from agentgym.episode import EpisodeKey, Trajectory, Turn
from agentgym.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
        ("turn", pa.int32()),
        ("prompt", pa.string()),
        ("completion", pa.string()),
        ("action", pa.string()),
        ("error", pa.string()),
        ("prompt_ids", pa.list_(pa.int32())),
        ("completion_ids", pa.list_(pa.int32())),
        ("logprobs", pa.list_(pa.float32())),
        ("screenshot", pa.string()),
    ]
)


class TrajectoryStore:
    """A folder of trajectories.

    Args:
        folder: where; made at the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

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
            number = 1 + max((int(path.stem.rpartition("-")[2]) for path in self.shards()), default=-1)
            self._write(pa.Table.from_pylist(rows, schema=SCHEMA), self.folder / f"trajectories-{number:05d}.parquet")
        except OSError as error:
            raise StoreError(
                f"Trajectories cannot be written to {self.folder}: {error.strerror or error}. "
                "Free some space or choose another folder; what was written before is whole."
            ) from error

    def shards(self) -> list[Path]:
        """Return the shards in the order of their writing."""
        return sorted(self.folder.glob("trajectories-*.parquet"))

    def read(self) -> Iterator[Trajectory]:
        """Yield all trajectories in the order of their writing, with their screenshots.

        Raises:
            StoreError: a shard or an image is corrupt; the message names it.
        """
        for path in self.shards():
            try:
                rows = pq.read_table(path, schema=SCHEMA).to_pylist()
            except (OSError, pa.ArrowException) as error:
                raise StoreError(
                    f"{path} is not a readable trajectory file: {error}. Remove it; the other files are independent."
                ) from error
            episode: list[dict[str, Any]] = []
            for row in rows:
                if episode and row["turn"] <= 0:
                    yield self._trajectory(episode)
                    episode = []
                episode.append(row)
            if episode:
                yield self._trajectory(episode)

    def _rows(self, trajectory: Trajectory) -> Iterator[dict[str, Any]]:
        key = trajectory.key
        episode = {
            "episode": str(key),
            "task_id": key.task_id,
            "seed": key.seed,
            "attempt": key.attempt,
            "instruction": trajectory.instruction,
            "outcome": trajectory.outcome,
            "score": trajectory.score,
            "reason": trajectory.reason,
            "penalty": trajectory.penalty,
            "policy_version": trajectory.policy_version,
        }
        if not trajectory.turns:
            yield {**episode, "turn": -1}
        for number, turn in enumerate(trajectory.turns):
            yield {
                **episode,
                "turn": number,
                "prompt": turn.prompt,
                "completion": turn.completion,
                "action": turn.action,
                "error": turn.error,
                "prompt_ids": turn.prompt_ids,
                "completion_ids": turn.completion_ids,
                "logprobs": turn.logprobs,
                "screenshot": None if turn.screenshot is None else self._save_image(turn.screenshot),
            }

    def _save_image(self, screenshot: NDArray[np.uint8]) -> str:
        """Write an image unless it is there; return its path relative to the folder."""
        buffer = io.BytesIO()
        Image.fromarray(screenshot).save(buffer, "PNG")
        content = buffer.getvalue()
        name = f"images/{hashlib.sha256(content).hexdigest()[:24]}.png"
        path = self.folder / name
        if not path.exists():
            aside = path.with_suffix(f".{os.getpid()}.tmp")
            aside.write_bytes(content)
            aside.rename(path)
        return name

    def _write(self, table: pa.Table, path: Path) -> None:
        aside = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            pq.write_table(table, aside)
            aside.rename(path)
        finally:
            aside.unlink(missing_ok=True)

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
        )

    def _read_image(self, name: str) -> NDArray[np.uint8]:
        """Read an image; the name comes from a file, so only its last part is believed."""
        path = self.folder / "images" / Path(name).name
        try:
            with Image.open(path) as image:
                return np.asarray(image.convert("RGB"))
        except OSError as error:
            raise StoreError(f"{path} is not a readable image: {error}.") from error
