"""Shared fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.toy_world import write_plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.register_assert_rewrite("tests.contract")


@pytest.fixture(scope="session")
def toy_plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The toy world and suite, found by their entry points like any installed package."""
    folder = tmp_path_factory.mktemp("toy-plugin")
    write_plugin(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield
