"""Waiting for what another thread or process does, without sleeping for a guess."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BOUND_S = 30.0


def wait_until(condition: Callable[[], bool], *, bound_s: float = BOUND_S) -> None:
    """Return once a condition holds; fail where it does not come to that."""
    deadline = time.monotonic() + bound_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
