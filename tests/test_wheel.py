"""The wheel works without the repository, also beside folders that are called `envs` and `rewards`."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("agentgym", "agentgym_browser", "agentgym_miniwob", "agentgym_rewards")
IMPORT_ALL = """
import importlib, pkgutil, sys
from importlib.metadata import entry_points
for name in {packages!r}:
    package = importlib.import_module(name)
    assert package.__file__.startswith(sys.prefix), package.__file__
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        importlib.import_module(module.name)
for group in ("agentgym.worlds", "agentgym.suites"):
    assert [entry.load() for entry in entry_points(group=group)], group
import agentgym
assert agentgym.__version__ == {version!r}
assert "envs" not in sys.modules and "rewards" not in sys.modules
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    listed = run("git", "ls-files", "agentgym", "envs", "rewards", cwd=ROOT).split()
    there = [path for path in listed if (ROOT / path).exists()]
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {path.removeprefix("envs/").removeprefix("rewards/") for path in there} <= inside


def test_what_the_two_commands_need_is_in_the_wheel(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert inside >= {
        *(f"{package}/py.typed" for package in PACKAGES),
        "agentgym/evaluate/report.html.j2",
        "agentgym/recipes/quickstart.yaml",
        "agentgym/nano/checkpoint/config.json",
        "agentgym/nano/checkpoint/model.safetensors",
        "agentgym_browser/observe.js",
    }
    assert not [name for name in inside if name.split("/")[0] in ("envs", "rewards", "tests", "scripts")]


def test_the_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip()
    run(
        sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, cwd=tmp_path
    )
    # The dependencies come from here, by a plain path: editable installs among them do not follow.
    (Path(site) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    work = tmp_path / "project"
    for name in ("envs", "rewards"):
        (work / name).mkdir(parents=True)
        (work / name / "__init__.py").write_text("raise ImportError('the wrong package was imported')\n")
    version = wheel.name.split("-")[1]
    run(python, "-c", IMPORT_ALL.format(packages=PACKAGES, version=version), cwd=work)
    assert (home / "bin" / "agentgym").exists()
