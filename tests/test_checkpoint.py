"""A run goes on from its newest whole checkpoint, and says what it passes over; nothing starts anew in silence."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from agentgym.errors import StoreError
from agentgym.train.checkpoint import flaw, last_checkpoint
from agentgym.train.folder import RunFolder
from tests.test_run import configuration, run

if TYPE_CHECKING:
    from pathlib import Path

GENERATIONS, STEPS = 3, 2  # optimiser steps a generation
NEWEST = GENERATIONS * STEPS

pytestmark = pytest.mark.usefixtures("toy_plugin")


@pytest.fixture(scope="module")
def trained(toy_plugin: None, toy_player: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was stopped after its last checkpoint; copy it."""
    config = configuration(toy_player, tmp_path_factory.mktemp("runs") / "run", generations=GENERATIONS, groups=1)
    run(config)
    for name in ("after.json", "summary.json", "checkpoints/final", "trajectories/after"):
        path = config.folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return config.folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> RunFolder:
    return RunFolder(shutil.copytree(trained, tmp_path / "run"))


def checkpoint(folder: RunFolder, steps: int) -> Path:
    return folder.checkpoints / f"checkpoint-{steps}"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_the_newest_checkpoint_is_gone_on_from(folder: RunFolder) -> None:
    said: list[str] = []
    assert last_checkpoint(folder, STEPS, said.append) == (checkpoint(folder, NEWEST), GENERATIONS)
    assert not said


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "rng_state.pth", "trainer_state.json"])
@pytest.mark.parametrize("empty", [False, True])
def test_a_checkpoint_with_a_broken_file_is_passed_over_aloud(folder: RunFolder, name: str, *, empty: bool) -> None:
    path = checkpoint(folder, NEWEST) / name
    if empty:
        path.write_bytes(b"")
    else:
        cut(path)
    said: list[str] = []
    found = last_checkpoint(folder, STEPS, said.append)
    assert found == (checkpoint(folder, NEWEST - STEPS), GENERATIONS - 1)
    assert len(said) == 1
    assert f"checkpoint-{NEWEST} is not whole: {name}" in said[0]
    assert said[0].endswith(f"; going on from checkpoint-{NEWEST - STEPS}.")


@pytest.mark.parametrize("name", ["model.safetensors", "trainer_state.json"])
def test_a_checkpoint_without_a_file_is_not_whole(folder: RunFolder, name: str) -> None:
    (checkpoint(folder, NEWEST) / name).unlink()
    assert f"{name}" in str(flaw(checkpoint(folder, NEWEST)))


def test_weights_in_several_files_are_whole_with_all_of_them(folder: RunFolder) -> None:
    whole = checkpoint(folder, NEWEST)
    (whole / "model.safetensors").rename(whole / "model-00001-of-00002.safetensors")
    (whole / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}'
    )
    assert flaw(whole) == "model-00002-of-00002.safetensors is missing"
    shutil.copy(whole / "model-00001-of-00002.safetensors", whole / "model-00002-of-00002.safetensors")
    assert flaw(whole) is None


def test_a_run_with_broken_newest_weights_goes_on_from_the_checkpoint_before(
    folder: RunFolder, toy_player: Path
) -> None:
    (checkpoint(folder, NEWEST) / "model.safetensors").write_bytes(b"")
    config = configuration(toy_player, folder.path, generations=GENERATIONS, groups=1)
    summary, said = run(config, resume=True)
    assert f"going on from checkpoint-{NEWEST - STEPS}." in said
    assert summary.generations == GENERATIONS
    assert flaw(checkpoint(folder, NEWEST)) is None


def test_a_run_without_a_usable_checkpoint_is_not_started_anew_in_silence(folder: RunFolder, toy_player: Path) -> None:
    for steps in range(STEPS, NEWEST + 1, STEPS):
        (checkpoint(folder, steps) / "trainer_state.json").unlink()
    played = [str(each.key) for each in folder.store("train").read()]
    config = configuration(toy_player, folder.path, generations=GENERATIONS, groups=1)
    with pytest.raises(StoreError, match=r"No checkpoint of this run can .*checkpoint-2 is not whole"):
        run(config, resume=True)
    assert [str(each.key) for each in folder.store("train").read()] == played
    shutil.rmtree(folder.checkpoints)
    said: list[str] = []
    assert last_checkpoint(folder, STEPS, said.append) == (None, 0)
    assert said == ["No checkpoint was written to its end yet, so what was played (3 generations) is played again."]


def test_a_first_checkpoint_that_was_cut_off_starts_anew_aloud(folder: RunFolder) -> None:
    folder.rewind(1)
    for steps in (NEWEST - STEPS, NEWEST):
        shutil.rmtree(checkpoint(folder, steps))
    (checkpoint(folder, STEPS) / "trainer_state.json").unlink()
    said: list[str] = []
    assert last_checkpoint(folder, STEPS, said.append) == (None, 0)
    assert said == ["No checkpoint was written to its end yet, so what was played (1 generations) is played again."]


def test_a_run_that_has_played_nothing_says_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    assert last_checkpoint(RunFolder(tmp_path), STEPS, said.append) == (None, 0)
    assert not said
