"""Trajectories on disk."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from agentgym.episode import EpisodeKey, Outcome, Trajectory, Turn
from agentgym.errors import StoreError
from agentgym.rollout.store import SCHEMA, TrajectoryStore
from tests.full_disk import disk_with_room_for

if TYPE_CHECKING:
    from collections.abc import Callable

IDS = st.lists(st.integers(0, 2**31 - 1), max_size=4).map(tuple)
LOGPROBS = st.lists(st.floats(-100, 0, width=32), max_size=4).map(tuple)
SCREENSHOTS = st.none() | st.integers(0, 255).map(lambda shade: np.full((3, 2, 3), shade, dtype=np.uint8))
TURNS = st.builds(Turn, st.text(), st.text(), st.text(), st.text(), IDS, IDS, LOGPROBS, SCREENSHOTS)


@st.composite
def trajectories(draw: st.DrawFn) -> Trajectory:
    outcome: Outcome = draw(st.sampled_from(get_args(Outcome)))
    turns = draw(st.lists(TURNS, min_size=0 if outcome == "infrastructure" else 1, max_size=3))
    key = EpisodeKey(draw(st.text(max_size=9)), draw(st.integers(0, 2**40)), draw(st.integers(0, 99)))
    score = None if outcome == "infrastructure" else draw(st.floats(0, 1))
    return Trajectory(
        key,
        draw(st.text(max_size=9)),
        tuple(turns),
        outcome,
        score,
        draw(st.text(max_size=9)),
        draw(st.floats(0, 9)),
        draw(st.integers(0, 2**40)),
        isolation=draw(st.text(max_size=9)),
    )


def turn(text: str = "click(1)", *, shade: int | None = None) -> Turn:
    pixels = None if shade is None else np.full((4, 6, 3), shade, dtype=np.uint8)
    return Turn("Task: go", text, text, "", (1, 2), (3,), (-0.5,), pixels)


def episode(seed: int, *turns: Turn, outcome: Outcome = "success") -> Trajectory:
    return Trajectory(EpisodeKey("toy/press", seed), "go", turns, outcome, None if outcome == "infrastructure" else 1.0)


def seeds(store: TrajectoryStore) -> list[int]:
    return [each.key.seed for each in store.read()]


def test_a_shard_from_before_isolation_was_recorded_is_read(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)
    store.append([episode(1, turn())])
    (shard,) = store.shards()
    pq.write_table(pq.read_table(shard).drop_columns("isolation"), shard, write_page_checksum=True)
    assert list(store.read()) == [episode(1, turn())]


@given(st.lists(st.lists(trajectories(), max_size=4), max_size=3))
@settings(max_examples=25)
def test_what_is_written_is_read_back(shards: list[list[Trajectory]]) -> None:
    with TemporaryDirectory() as folder:
        store = TrajectoryStore(Path(folder) / "deep" / "er")
        for shard in shards:
            store.append(shard)
        found = list(store.read())
    written = [each for shard in shards for each in shard]
    assert found == written
    for one, other in zip(found, written, strict=True):
        for mine, theirs in zip(one.turns, other.turns, strict=True):
            assert (mine.screenshot is None) == (theirs.screenshot is None)
            np.testing.assert_array_equal(mine.screenshot, theirs.screenshot)


def test_half_a_surrogate_pair_that_a_model_wrote_does_not_lose_the_shard(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)
    store.append([episode(0, Turn("Task: go", "a\ud800b", "", "no \ud800"))])
    assert next(store.read()).turns[0].completion == "a?b"


def test_the_shards_load_as_a_hugging_face_data_set(tmp_path: Path) -> None:
    import datasets

    store = TrajectoryStore(tmp_path / "played")
    store.append([episode(0, turn(), turn(shade=9)), episode(1, outcome="infrastructure")])
    store.append([episode(2, turn())])

    loaded = datasets.load_dataset(
        "parquet", data_files=str(store.folder / "*.parquet"), cache_dir=str(tmp_path / "cache"), split="train"
    )

    assert loaded["turn"][:] == [0, 1, -1, 0]
    assert loaded["completion_ids"][:2] == [[3], [3]]
    assert (store.folder / loaded["screenshot"][1]).is_file()


def test_equal_screenshots_are_kept_once(tmp_path: Path) -> None:
    TrajectoryStore(tmp_path).append([episode(0, turn(shade=1), turn(shade=1), turn(shade=2))])
    assert len(list((tmp_path / "images").iterdir())) == 2


def test_shards_are_read_in_the_order_of_their_writing_and_foreign_files_left_alone(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)
    store.append([episode(1)])
    store.shards()[0].rename(tmp_path / "trajectories-99999.parquet")
    (tmp_path / "trajectories-old.parquet").write_text("mine")
    store.append([episode(2)])
    store.append([])

    assert [path.name for path in store.shards()] == ["trajectories-99999.parquet", "trajectories-100000.parquet"]
    assert seeds(store) == [1, 2]


def test_truncate_keeps_the_first_shards(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)
    for seed in range(4):
        store.append([episode(seed)])
    store.truncate(2)
    assert seeds(store) == [0, 1]
    store.append([episode(9)])
    assert seeds(store) == [0, 1, 9]
    store.truncate(0)
    assert seeds(store) == []


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert seeds(TrajectoryStore(tmp_path / "nothing")) == []


def test_every_cut_and_every_flipped_byte_of_a_shard_is_told_or_harmless(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)
    store.append([episode(0, turn("click(1)"), turn("click(2)"))])
    (path,) = store.shards()
    whole, expected = path.read_bytes(), list(store.read())
    told = 0
    for place in range(0, len(whole), 61):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]):
            path.write_bytes(damaged)
            try:
                found = list(store.read())
            except StoreError as error:
                assert path.name in str(error)  # noqa: PT017 (not every damage is seen: names in a header are hints)
                told += 1
            else:
                assert found == expected
    assert told > len(whole) / 61


@pytest.mark.parametrize(
    ("column", "value"),
    [("task_id", None), ("seed", None), ("prompt", None), ("logprobs", None), ("outcome", "won"), ("score", None)],
)
def test_rows_that_no_store_writes_are_refused(tmp_path: Path, column: str, value: object) -> None:
    store = TrajectoryStore(tmp_path)
    store.append([episode(0, turn())])
    (path,) = store.shards()
    rows = pq.read_table(path).to_pylist()
    pq.write_table(pa.Table.from_pylist([{**rows[0], column: value}], schema=SCHEMA), path)
    with pytest.raises(StoreError, match=rf"{path.name} is not a readable trajectory file"):
        list(store.read())


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "trajectories-00000.parquet")
    with pytest.raises(StoreError, match=r"trajectories-00000\.parquet"):
        list(TrajectoryStore(tmp_path).read())


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "gone", "another format"])
def test_a_broken_image_is_told_by_its_name(tmp_path: Path, damage: str) -> None:
    store = TrajectoryStore(tmp_path)
    store.append([episode(0, turn(shade=7))])
    (path,) = (tmp_path / "images").iterdir()
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "another format":
        Image.new("RGB", (2, 2)).save(path, "BMP")
    else:
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
        path.write_bytes({"cut": whole[:middle], "empty": b"", "flipped": flipped}[damage])
    with pytest.raises(StoreError, match=path.name):
        list(store.read())


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/secret.png", "..", "", "images/\0.png"])
def test_a_screenshot_name_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path, name: str) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "secret.png")
    store = TrajectoryStore(tmp_path / "a" / "b")
    store.append([episode(0, turn(shade=7))])
    (path,) = store.shards()
    rows = pq.read_table(path).to_pylist()
    pq.write_table(pa.Table.from_pylist([{**rows[0], "screenshot": name}], schema=SCHEMA), path)
    with pytest.raises(StoreError, match=str(store.folder / "images")):
        list(store.read())


@pytest.mark.parametrize("content", [turn("x" * 9), turn(shade=3)], ids=["shard", "image"])
def test_a_full_disk_is_told_and_leaves_the_earlier_shards_whole_and_no_litter(tmp_path: Path, content: Turn) -> None:
    store = TrajectoryStore(tmp_path)
    store.append([episode(0, turn())])
    with disk_with_room_for(50), pytest.raises(StoreError, match="what was written before is whole"):
        store.append([episode(1, content)])
    assert seeds(store) == [0]
    assert not list(tmp_path.rglob("*.tmp"))
    store.append([episode(2, content)])
    assert seeds(store) == [0, 2]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="choose another folder"):
        TrajectoryStore(tmp_path / "file").append([episode(0)])


def _append(folder: Path, first: int, gate: Callable[[], object]) -> None:
    store = TrajectoryStore(folder)
    gate()
    for seed in range(first, first + 20):
        store.append([episode(seed, turn(shade=seed % 3))])
    os._exit(0)  # nothing of the test's process is to be torn down here


def test_two_writers_do_not_overwrite_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(2)
    writers = [context.Process(target=_append, args=(tmp_path, first, gate.wait)) for first in (0, 100)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert [each.exitcode for each in writers] == [0, 0]
    assert sorted(seeds(TrajectoryStore(tmp_path))) == [*range(20), *range(100, 120)]
    assert not list(tmp_path.rglob("*.tmp"))
