"""Applications that lie about what they show: each costs its own part, in bounded time, and no one else's."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import jeepney
import pytest

from agentgym_desktop.accessibility import Accessibility, Limits
from agentgym_desktop.apps import CALCULATOR
from agentgym_desktop.desktop import Desktop
from agentgym_desktop.rootfs import PYTHON
from agentgym_desktop.settings import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym_desktop.child import Child

BUS = ENVIRONMENT["AT_SPI_BUS_ADDRESS"]
MANNERS = ("polite", "endless", "wide", "cyclic", "huge", "wrong", "bidi", "silent", "slow", "flood")
LIMITS = Limits(patience_s=0.5, total_s=3.0)


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    """A calculator, and what a rogue needs to run."""
    desktop = Desktop.start(apps=(CALCULATOR,))
    package = Path(jeepney.__file__).parent
    files = {f"rogue/jeepney/{path.relative_to(package)}": path.read_bytes() for path in package.glob("**/*.py")}
    names = {str(Path(name).parent) for name in files}
    desktop.sandbox.run(["mkdir", "-p", *names], timeout_s=5, max_output=1000)
    desktop.put({name: content for name, content in files.items() if "tests" not in name})
    desktop.put({"rogue/rogue.py": Path(__file__).with_name("desktop_rogue.py").read_bytes()})
    yield desktop
    desktop.close()


def start(desktop: Desktop, manner: str) -> Child:
    """Start a rogue, and wait until the registry knows it."""
    rogue = desktop.sandbox.spawn([PYTHON, "rogue/rogue.py", BUS, manner])
    deadline = time.monotonic() + 20
    while b"embedded" not in rogue.log():
        assert rogue.poll() is None, rogue.log()
        assert time.monotonic() < deadline, rogue.log()
        desktop.sandbox.run(["true"], timeout_s=5, max_output=10)
    return rogue


@pytest.mark.parametrize("manner", MANNERS)
def test_a_rogue_costs_its_own_part_only(desktop: Desktop, manner: str) -> None:
    rogue = start(desktop, manner)
    accessibility = Accessibility(desktop.sandbox.connect, BUS)
    try:
        before = time.monotonic()
        for windows in (desktop.windows, None, desktop.windows, None):
            reading = accessibility.read(windows, limits=LIMITS)
        assert time.monotonic() - before < 4 * LIMITS.total_s + 5
        if manner != "flood":  # whoever is flooded hears nobody
            assert any(each.name == "sqrt" for each in reading.elements), reading
        for each in reading.elements:
            assert len(each.name) <= 500
            assert (each.name + each.value).isprintable()
            assert not any(0x202A <= ord(letter) <= 0x2069 for letter in each.name + each.value)
        assert len(reading.elements) <= LIMITS.budget.elements
        if manner == "polite":
            assert not reading.problems
        if manner in {"silent", "flood"}:
            assert reading.problems
        rogue.kill()
        rogue.wait(5)
        while accessibility.read(desktop.windows, limits=LIMITS).problems:
            assert time.monotonic() < before + 40
        assert any(each.name == "sqrt" for each in accessibility.read(desktop.windows).elements)
    finally:
        rogue.kill()
        accessibility.close()


def test_a_rogue_cannot_pass_for_the_window_of_another(desktop: Desktop) -> None:
    rogue = start(desktop, "twin")
    accessibility = Accessibility(desktop.sandbox.connect, BUS)
    try:
        elements = accessibility.read(desktop.windows).elements
        assert sum(each.role == "window" and each.name == "galculator" for each in elements) == 1
        assert any(each.name == "sqrt" for each in elements)
        assert not any(each.name == "rogue 2" for each in elements)
        assert any(each.name == "rogue 2" for each in accessibility.read().elements)  # where nobody knows the windows
    finally:
        rogue.kill()
        accessibility.close()


def test_control_a_polite_application_is_told(desktop: Desktop) -> None:
    """Without it, a rogue that nobody asks anything would pass for one that was withstood."""
    rogue = start(desktop, "polite")
    accessibility = Accessibility(desktop.sandbox.connect, BUS)
    try:
        names = [each.name for each in accessibility.read().elements]  # nobody asks whether it has windows
        assert {"rogue 1", "rogue 2", "rogue 9"} <= set(names)
    finally:
        rogue.kill()
        accessibility.close()
