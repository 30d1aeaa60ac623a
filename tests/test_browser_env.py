"""The contracts on real MiniWoB++ tasks in a real browser; what every task keeps is in test_miniwob."""

from __future__ import annotations

import pytest

from tests.contract import EnvContract, WorldContract


class TestBrowserWorld(WorldContract):
    @pytest.fixture(params=["miniwob/click-button", "miniwob/enter-text"])
    def task_id(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


class TestMiniWob(EnvContract):
    @pytest.fixture(params=["miniwob/click-button", "miniwob/login-user"])
    def task_id(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)
