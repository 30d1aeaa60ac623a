"""`agentgym doctor`: is everything here that a run needs?"""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import NamedTuple

import psutil
import typer
from packaging.requirements import Requirement
from rich.console import Console

from agentgym.errors import AgentGymError
from agentgym.plugins import entries
from agentgym.registry import WORLDS, broken_suites, get_world, suites

DISTRIBUTION = "agentgym-cua"
NEEDED_MEMORY_GB = 4
NEEDED_DISK_GB = 2
EXTRAS = ("browser", "desktop", "train")


class Finding(NamedTuple):
    """What was looked at, whether it is fine, and what to do if not."""

    what: str
    fine: bool
    text: str
    needed: bool = True
    """Whether nothing can be done without it."""


def doctor() -> None:
    """Check worlds, packages, suites, memory and disk; say what to do. What is off is needed by some tasks only."""
    findings = [*_packages(), *_worlds(), *_suites(), *_machine()]
    console = Console()
    for finding in findings:
        mark = "[green]ok[/]  " if finding.fine else "[red]fail[/]" if finding.needed else "[yellow]off[/] "
        console.print(f"{mark} {finding.what}: ", end="")
        console.print(finding.text, markup=False, highlight=False)
    if not all(finding.fine or not finding.needed for finding in findings):
        raise typer.Exit(1)


def _packages() -> list[Finding]:
    """Compare what is installed with what the distribution pins."""
    findings = []
    for line in requires(DISTRIBUTION) or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if requirement.name == DISTRIBUTION:
            continue
        if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in EXTRAS):
            continue
        command = f"pip install '{requirement.name}{requirement.specifier}'"
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            findings.append(Finding(requirement.name, False, f"not installed; run {command}"))
            continue
        fits = requirement.specifier.contains(installed, prereleases=True)
        text = installed if fits else f"{installed} is not {requirement.specifier}; run {command}"
        findings.append(Finding(requirement.name, fits, text))
    return findings


def _worlds() -> list[Finding]:
    """Start each world once."""
    findings = []
    for name in entries(WORLDS):
        needed = True
        try:
            world = get_world(name)
            needed = world.needed
            findings.append(Finding(f"{name} world", True, world.check()))
        except AgentGymError as error:
            findings.append(Finding(f"{name} world", False, str(error), needed))
    return findings


def _suites() -> list[Finding]:
    """Load each suite."""
    fine = [Finding(f"{name} suite", True, f"{len(suite)} tasks") for name, suite in suites().items()]
    return [*fine, *(Finding(f"{name} suite", False, str(error)) for name, error in broken_suites().items())]


def _machine() -> list[Finding]:
    memory = psutil.virtual_memory().available / 1e9
    disk = shutil.disk_usage(Path.cwd()).free / 1e9
    cores = psutil.cpu_count() or 1
    return [
        Finding("memory", memory >= NEEDED_MEMORY_GB, f"{memory:.1f} GB free; a run wants {NEEDED_MEMORY_GB}"),
        Finding("disk", disk >= NEEDED_DISK_GB, f"{disk:.1f} GB free here; a run wants {NEEDED_DISK_GB}"),
        Finding("processor", True, f"{cores} cores"),
    ]
