"""The contracts on real desktops; what an episode on one is made of is in test_desktop_world."""

from __future__ import annotations

import pytest

from tests.contract import EnvContract, WorldContract

TASK = "desktop/editor-write-note"


class TestDesktopWorld(WorldContract):
    @pytest.fixture
    def task_id(self) -> str:
        return TASK


class TestDesktopEnv(EnvContract):
    @pytest.fixture
    def task_id(self) -> str:
        return TASK
