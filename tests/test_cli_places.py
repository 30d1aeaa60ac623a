"""Places and numbers that the command line is given, and Ctrl-C before it has begun: one message, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import agentgym as library
from agentgym.errors import ConfigError, UnknownNameError
from agentgym.policy.loading import checkpoint_folder
from tests.toy_world import ToyWorld

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli_answer import Answer

ROOT = Path(__file__).parent.parent
EVAL = ("eval", "--policy", "oracle", "--tasks", "toy", "--episodes", 1)
INTERRUPTED = """
import os, signal, sys
from importlib.machinery import PathFinder


class CtrlC(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
        return super().find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = CtrlC
from agentgym.cli.start import main
main()
"""

pytestmark = pytest.mark.usefixtures("toy_plugin")


@pytest.fixture
def unplayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyWorld, "reset", lambda *_: pytest.fail("played"))


@pytest.mark.usefixtures("unplayed")
def test_a_folder_in_the_place_of_the_result_is_told_before_anything_is_played(
    agentgym: Callable[..., Answer], tmp_path: Path
) -> None:
    answer = agentgym(*EVAL, "--json", tmp_path)
    assert (answer.code, f"{tmp_path}: Is a directory" in answer.message) == (1, True)


@pytest.mark.usefixtures("unplayed")
@pytest.mark.parametrize("option", ["--out", "--json"])
@pytest.mark.parametrize("place", ["/proc/x/y", "n" * 300 + "/y"], ids=["nowhere", "long"])
def test_a_place_that_cannot_be_made_is_one_message(
    agentgym: Callable[..., Answer], option: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = agentgym(*EVAL, option, place)
    assert answer.code == 1
    assert place.partition("/y")[0] in answer.message
    assert "choose another place" in answer.message


def test_a_result_is_written_where_one_was_and_trying_leaves_nothing(
    agentgym: Callable[..., Answer], tmp_path: Path
) -> None:
    file = tmp_path / "result.json"
    assert agentgym("eval", "--policy", "nobody", "--json", file).code == 1
    assert not file.exists()
    for _ in range(2):
        assert agentgym(*EVAL, "--json", file).code == 0
        assert file.read_text().startswith("{")


@pytest.mark.usefixtures("unplayed")
def test_a_temperature_without_end_is_refused(agentgym: Callable[..., Answer], tiny_checkpoint: Path) -> None:
    answer = agentgym("eval", "--policy", tiny_checkpoint, "--tasks", "toy", "--temperature", "inf")
    assert (answer.code, "at least 0 is wanted, got inf." in answer.message) == (1, True)
    for temperature in (float("inf"), float("nan"), -1.0):
        with pytest.raises(ConfigError, match=r"^temperature: a finite number of at least 0 is wanted"):
            library.evaluate("toy", tiny_checkpoint, temperature=temperature)


def test_a_models_name_on_the_hub_is_answered_with_how_to_download_it() -> None:
    command = r"`hf download Qwen/Qwen3-0\.6B --local-dir Qwen/Qwen3-0\.6B`"
    with pytest.raises(UnknownNameError, match=rf"No policy or checkpoint folder 'Qwen/Qwen3-0\.6B'.*{command}"):
        checkpoint_folder("Qwen/Qwen3-0.6B")


def test_ctrl_c_while_the_command_is_still_loading_is_one_message() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "agentgym: Interrupted.\n")


def test_ctrl_c_does_not_promise_what_eval_without_a_folder_has_not_kept(
    agentgym: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ToyWorld, "reset", interrupted)
    answer = agentgym(*EVAL)
    assert (answer.code, answer.message.endswith("Without --out, `eval` keeps nothing.")) == (130, True)
