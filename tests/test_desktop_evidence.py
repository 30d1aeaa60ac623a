"""What a judge may look at: what is not there is none, and a machine that cannot look is no answer."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from agentgym.errors import InfrastructureError
from agentgym_desktop.evidence import NOT_STARTED, DesktopEvidence
from agentgym_desktop.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Have this process open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("look", ["read", "list", "run"])
def test_what_is_not_there_is_none_and_what_cannot_be_looked_at_is_a_failure(look: str) -> None:
    with Sandbox.start() as sandbox:
        desktop: Any = SimpleNamespace(sandbox=sandbox)  # a judge of files needs no more of one
        evidence = DesktopEvidence(desktop, goal=None, answer="")
        sandbox.write("/home/user/there", b"")
        found = getattr(evidence, look)("nowhere")
        assert found is None or found.status == NOT_STARTED
        with no_descriptors(), pytest.raises(InfrastructureError):
            getattr(evidence, look)({"read": "there", "list": ".", "run": "true"}[look])
