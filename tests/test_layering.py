"""What may import what, and what importing costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import agentgym

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "transformers", "trl", "ray", "playwright", "pandas", "datasets", "pyarrow", "plotly")
LINES = 400
NAMES_OF_NOTHING = {"utils", "helpers", "common", "misc", "util", "helper"}


def modules_imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def loaded_after(code: str) -> set[str]:
    """Top-level packages that are loaded in a fresh interpreter after some code."""
    script = f"{code}\nimport sys\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("path", sorted((ROOT / "agentgym").rglob("*.py")), ids=str)
def test_the_core_imports_no_world_suite_or_reward(path: Path) -> None:
    assert not {name for name in modules_imported(path) if name.startswith("agentgym_")}


def test_rewards_import_no_world() -> None:
    for path in (ROOT / "rewards").rglob("*.py"):
        assert not modules_imported(path) & {"agentgym_browser", "agentgym_miniwob"}


@pytest.mark.parametrize(
    "code",
    [
        "import agentgym",
        "import agentgym; agentgym.Click; agentgym.Task; agentgym.Score; agentgym.World",
        "import agentgym; agentgym.make; agentgym.make_vec",
        "import agentgym.policy.prompt",
        "from agentgym import registry; registry.worlds(); registry.suites()",
        "import agentgym_browser.world",
        "import agentgym_rewards",
        "import agentgym.cli.main",
    ],
)
def test_what_starts_often_loads_nothing_heavy(code: str) -> None:
    assert not loaded_after(code) & set(HEAVY)


def test_importing_the_package_loads_no_dependency() -> None:
    assert not loaded_after("import agentgym") & {"gymnasium", "numpy", "pydantic", "rich", "typer"}


def test_the_door_shows_exactly_its_names() -> None:
    assert sorted(agentgym.__all__) == sorted(dir(agentgym))
    assert len(agentgym.__all__) == len(set(agentgym.__all__))
    for name in agentgym.__all__:
        assert getattr(agentgym, name) is not None
    assert not {name for name in vars(agentgym) if not name.startswith("_")} - {
        *agentgym.__all__,
        *(path.stem for path in (ROOT / "agentgym").iterdir()),
        "annotations",
    }


def test_an_unknown_name_at_the_door_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'mke'"):
        _ = agentgym.mke


@pytest.mark.parametrize("order", ["", "import agentgym.train.config, agentgym.evaluate.evaluation\n"])
def test_train_and_evaluate_are_packages_that_can_be_called(order: str) -> None:
    code = (
        "import agentgym\n" + order + "assert callable(agentgym.train) and callable(agentgym.evaluate)\n"
        "import agentgym.train.config\nassert agentgym.train.config.TrainConfig\n"
        "try: agentgym.evaluate('miniwob/click-buton', 'random')\n"
        "except agentgym.AgentGymError as error: assert 'click-button' in str(error)\n"
        "else: raise AssertionError('an unknown task was accepted')\n"
    )
    loaded_after(code)


@pytest.mark.parametrize("folder", ["agentgym", "envs", "rewards", "scripts", "tests"])
def test_files_are_short_and_named_for_what_they_hold(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        assert len(path.read_text().splitlines()) <= LINES, path
        assert path.stem not in NAMES_OF_NOTHING, path


def test_code_asks_for_an_accelerator_and_names_no_kind_of_it() -> None:
    kinds = re.compile(r"\b(cuda|rocm|hip|xpu|npu|mps)\b")
    for folder in ("policy", "train", "rollout", "evaluate"):
        for path in (ROOT / "agentgym" / folder).rglob("*.py"):
            assert not kinds.search(path.read_text()), path


def test_every_package_is_typed() -> None:
    packages = [ROOT / "agentgym", *(ROOT / "envs").glob("agentgym_*"), *(ROOT / "rewards").glob("agentgym_*")]
    assert len(packages) >= 4
    assert all((package / "py.typed").exists() for package in packages)
