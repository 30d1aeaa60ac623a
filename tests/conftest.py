"""Shared fixtures."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from agentgym.cli.main import main
from tests.cli_answer import Answer
from tests.toy_world import write_plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytest.register_assert_rewrite("tests.contract")
settings.register_profile("agentgym", deadline=None)  # time is measured by benchmarks, not by tests on a busy machine
settings.load_profile("agentgym")


@pytest.fixture(scope="session")
def toy_plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The toy world and suite, found by their entry points like any installed package."""
    folder = tmp_path_factory.mktemp("toy-plugin")
    write_plugin(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained model; read it, do not write to it."""
    from tests.tiny_model import save_tiny_checkpoint

    return save_tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def toy_player(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model that clicks at random in the toy world; read it, do not write to it."""
    from tests.toy_player import save_toy_player

    return save_toy_player(tmp_path_factory.mktemp("models") / "toy-player")


@pytest.fixture
def agentgym(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """The command, in this process."""

    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["agentgym", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        code = stop.value.code
        assert code is None or isinstance(code, int)
        return Answer(code or 0, *capsys.readouterr())

    return call
