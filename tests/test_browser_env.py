"""The contracts on real MiniWoB++ tasks in a real browser."""

from __future__ import annotations

import pytest
from gymnasium.utils.env_checker import check_env

from agentgym import registry
from tests.contract import EnvContract, WorldContract


class TestBrowserWorld(WorldContract):
    @pytest.fixture(params=["miniwob/click-button", "miniwob/enter-text"])
    def task_id(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


class TestMiniWob(EnvContract):
    @pytest.fixture(params=["miniwob/click-button", "miniwob/login-user"])
    def task_id(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


@pytest.mark.parametrize("task_id", [task.id for task in registry.get_suite("miniwob").tasks])
def test_gymnasiums_checker_passes_without_a_warning_on_every_task(task_id: str) -> None:
    with registry.make(task_id) as env:
        check_env(env, skip_render_check=True, skip_close_check=True)
