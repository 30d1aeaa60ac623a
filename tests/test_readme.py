"""The README's code runs as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SUITE_BLOCK = next(block for block in PYTHON if "SUITE = " in block)


def run(code: list[str], *, cwd: Path, path: Path | None = None) -> str:
    env = {**os.environ, "PYTHONPATH": "" if path is None else str(path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", *code], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("block", [block for block in PYTHON if block != SUITE_BLOCK])
def test_a_block_of_python_runs(block: str, tmp_path: Path) -> None:
    run(["-c", block], cwd=tmp_path)


def test_the_example_of_an_environment_is_found_and_solved_by_its_oracle(tmp_path: Path) -> None:
    project, installed = tmp_path / "project", tmp_path / "installed"
    project.mkdir()
    (project / "my_package.py").write_text(SUITE_BLOCK)
    (pyproject,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (project / "pyproject.toml").write_text(pyproject)
    run(["-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)], cwd=project)
    zipfile.ZipFile(next(tmp_path.glob("*.whl"))).extractall(installed)
    command = ["-m", "agentgym.cli.main", "eval", "--policy", "oracle", "--tasks", "greetings", "--episodes", "5"]
    said = run(
        ["-c", f"import sys; sys.argv = {command[1:]!r}; from agentgym.cli.main import main; main()"],
        cwd=tmp_path,
        path=installed,
    )
    assert re.search(r"greetings/greet\s+1\.00", said), said


def test_every_command_and_option_that_is_shown_exists() -> None:
    lines = re.findall(r"^agentgym (\w+)(.*?)(?:\s#.*)?$", README.replace("\\\n", " "), re.MULTILINE)
    assert len(lines) >= 8
    for name, rest in lines:
        code = f"import sys; sys.argv = ['agentgym', {name!r}, '--help']; from agentgym.cli.main import main; main()"
        known = run(["-c", code], cwd=ROOT)
        for option in re.findall(r"--[a-z]+", rest):
            assert option in known, (name, option)


def test_every_document_that_is_linked_is_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_document_is_linked() -> None:
    for document in (ROOT / "docs").glob("*.md"):
        assert f"](docs/{document.name})" in README, document
