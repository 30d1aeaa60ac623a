"""The scripts that a person runs first: they are sound, work from anywhere, and are quick where all is done."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = ("setup", "quickstart", "test")
QUICK_S = 5.0


def call(*command: str | Path, cwd: Path = Path("/")) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that is set up: the real scripts, and this environment, under a stamp of its own."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    venv = tmp_path / ".venv"
    venv.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (venv / name).symlink_to(Path(sys.prefix) / name)
    stamp = f'{{ cat "{tmp_path}/pyproject.toml"; echo "{tmp_path}"; readlink -f "{venv}/bin/python"; }} | sha256sum'
    (venv / ".agentgym-dev").write_text(call("bash", "-c", stamp).stdout)
    return tmp_path


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_sound_and_can_be_run(name: str) -> None:
    path = ROOT / "scripts" / name
    assert os.access(path, os.X_OK)
    assert path.read_text().startswith("#!/usr/bin/env bash\n#")
    assert "set -euo pipefail" in path.read_text()
    checked = call("bash", "-n", path)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("extra", ["dev", "all"])
def test_a_second_set_up_is_quick_and_changes_nothing(checkout: Path, extra: str) -> None:
    venv = checkout / ".venv"
    before = {path.name: path.lstat().st_mtime_ns for path in venv.iterdir()}
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = call(checkout / "scripts" / "setup", extra)
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path.name: path.lstat().st_mtime_ns for path in venv.iterdir()} == before
    assert now.ru_utime + now.ru_stime - spent.ru_utime - spent.ru_stime < QUICK_S  # CPU: other load does not count


def test_a_first_set_up_says_what_is_ready_and_what_comes_next(checkout: Path) -> None:
    (checkout / ".venv" / ".agentgym-dev").unlink()
    for name in ("README.md", "LICENSE", "agentgym", "envs", "rewards"):
        (checkout / name).symlink_to(ROOT / name)
    with (checkout / "pyproject.toml").open("a") as file:
        file.write('\n[tool.hatch.build]\ndev-mode-dirs = ["."]\n')  # so that hatchling needs no further package
    # pip looks at everything and changes nothing: this environment belongs to others
    dry = {"PIP_DRY_RUN": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1"}
    done = subprocess.run(
        [checkout / "scripts" / "setup", "all"],
        env={**os.environ, **dry},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    venv = checkout / ".venv"
    assert done.stderr.splitlines()[-1] == (
        f"agentgym set-up: ready: agentgym[all] in {venv}, and the browser. To use it: source {venv}/bin/activate"
    )


def test_the_quick_start_runs_from_anywhere_and_passes_its_arguments_on(checkout: Path) -> None:
    done = call(checkout / "scripts" / "quickstart", "--help")
    assert done.returncode == 0, done.stderr
    assert "--resume" in done.stdout


def test_two_set_ups_at_once_do_not_meet(checkout: Path) -> None:
    running = [subprocess.Popen([checkout / "scripts" / "setup"], stderr=subprocess.PIPE) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert [process.communicate()[1] for process in running] == [b"", b"", b""]
