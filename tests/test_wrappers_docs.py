"""The code of docs/classic.md runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from agentgym.wrappers import FEATURES

DOCUMENT = (Path(__file__).parent.parent / "docs" / "classic.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
CREATOR = next(block for block in BLOCKS if "def clicks" in block)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block != CREATOR])
def test_a_block_of_python_runs(block: str) -> None:
    names: dict[str, Any] = {}
    exec(compile(block, "docs/classic.md", "exec"), names)
    assert names["env"].unwrapped.closed


def test_the_function_for_rllib_makes_one_environment_and_many() -> None:
    names: dict[str, Any] = {}
    exec(compile(CREATOR, "docs/classic.md", "exec"), names)
    one = names["clicks"]({"task": "miniwob/click-test-2"})
    assert one.observation_space.contains(one.reset(seed=0)[0])
    one.close()
    many = names["clicks"]({"task": "miniwob/click-test-2", "num_envs": 2})
    assert many.observation_space.contains(many.reset(seed=0)[0])
    many.close()


def test_the_number_of_features_is_the_one_that_is_told() -> None:
    assert f"the first elements, {FEATURES} numbers" in DOCUMENT
