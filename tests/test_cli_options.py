"""Options of the command line: its version, and how many threads a checkpoint takes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli_answer import Answer

pytestmark = pytest.mark.usefixtures("toy_plugin")


def test_the_version_is_told(agentgym: Callable[..., Answer]) -> None:
    answer = agentgym("--version")
    assert (answer.code, answer.out) == (0, f"agentgym {version('agentgym-cua')}\n")


def test_the_package_runs_as_a_module(agentgym: Callable[..., Answer]) -> None:
    module = subprocess.run([sys.executable, "-m", "agentgym", "--version"], capture_output=True, text=True, check=True)
    assert module.stdout == agentgym("--version").out


def test_a_checkpoint_leaves_a_core_to_the_browser(
    agentgym: Callable[..., Answer], toy_player: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(6))
    before = torch.get_num_threads()
    try:
        for options, threads in (((), 5), (("--threads", 3), 3)):
            answer = agentgym("eval", "--policy", toy_player, "--tasks", "toy/press", "--episodes", 1, *options)
            assert (answer.code, torch.get_num_threads()) == (0, threads)
    finally:
        torch.set_num_threads(before)
