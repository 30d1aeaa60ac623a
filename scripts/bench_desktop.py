"""Measure the desktop world: how fast it resets and steps, what a desktop takes, and what it leaves.

    python scripts/bench_desktop.py --json result.json

A light desktop is one with a text editor at 1280x720. What is measured, with the key of its result:

- ``reset_ms``: an episode begins on a desktop that stands by, first observation with screenshot and elements included.
- ``fresh_start_s``: the same where none stands by: sandbox, screen, services and editor start.
- ``step_ms``: a click, until the screen is quiet, with screenshot and elements; ``step_p99_ms`` beside it.
- ``screenshot_ms``: the picture alone.
- ``desktops``, ``all_up_s``: how many were started at once, all with their windows, and how long that took.
- ``pss_mb``: memory of one of these: that of all processes beneath this one, shared pages by their share, divided.
- ``idle_cpu_pct``: what all of these take of one core while nothing is done.
- ``leftovers``: processes, mounts, leases, control groups and files that are left after many resets (`--resets`).

Times are medians. The keeper, one process for all, is part of memory and idle time. As an ordinary user the memory of
the sandboxes' first processes cannot be read, and is left out.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from agentgym.action import Click, Type
from agentgym.errors import InfrastructureError
from agentgym.look import Look
from agentgym.observation import Observation
from agentgym.task import Instance
from agentgym.versions import versions
from agentgym_desktop.apps import EDITOR
from agentgym_desktop.desktop import Desktop
from agentgym_desktop.task import DesktopTask, Evidence, Setup
from agentgym_desktop.world import DesktopWorld

if TYPE_CHECKING:
    from agentgym.episode import Score

LOOK = Look(parts=frozenset({"elements", "screenshot"}))
PR_SET_CHILD_SUBREAPER = 36
IDLE_S = 10.0
STANDBY_S = 60.0
END_S = 20.0  # for what was told to end


class Note(DesktopTask):
    """An editor with nothing in it."""

    id = "bench/note"
    apps = (EDITOR,)

    def setup(self, rng: random.Random) -> Setup:
        """Return nothing but an instruction."""
        return Setup(f"Write {rng.random()}.")

    def score(self, evidence: Evidence) -> Score | None:
        """Go on for ever."""
        del evidence
        return None


NOTE = Note()


class Tree:
    """This process and all beneath it."""

    def __init__(self) -> None:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what a sandbox leaves behind counts as well
        self.unreadable = 0

    @property
    def beneath(self) -> list[psutil.Process]:
        """What descends from this process."""
        return list(psutil.Process().children(recursive=True))

    def pss_mb(self) -> float:
        """Return the memory of what is beneath, in MB."""
        total, self.unreadable = 0, 0
        for process in self.beneath:
            try:
                total += process.memory_full_info().pss
            except psutil.AccessDenied:
                self.unreadable += 1
            except psutil.NoSuchProcess:
                continue
        return total / 1e6

    def cpu_s(self) -> float:
        """Return what this process and those beneath have taken of the processors."""
        total = 0.0
        for process in [psutil.Process(), *self.beneath]:
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the repetitions, four desktops")
    parser.add_argument("--desktops", type=int, help="how many are started at once (16, quick: 4)")
    parser.add_argument("--resets", type=int, help="episodes before what is left is looked for (500, quick: 20)")
    parser.add_argument("--json", type=Path, help="file for the result")
    options = parser.parse_args()
    options.desktops = options.desktops or (4 if options.quick else 16)
    options.resets = options.resets or (20 if options.quick else 500)
    options.rounds = 3 if options.quick else 20
    return options


def reset(world: DesktopWorld, slot: int, seed: int) -> Observation:
    """Start an episode of the benchmark's task."""
    answer = world.reset({slot: Instance(NOTE, seed)})[slot]
    if isinstance(answer, InfrastructureError):
        raise answer
    return answer


def measure_resets(rounds: int) -> dict[str, float]:
    """Time resets with and without a standby."""
    warm, fresh = [], []
    with DesktopWorld(look=LOOK, standby=1) as world:
        reset(world, 0, 0)
        for seed in range(1, rounds + 1):
            world.expect({0: Instance(NOTE, seed)})
            deadline = time.monotonic() + STANDBY_S
            while not world.standbys and time.monotonic() < deadline:
                time.sleep(0.05)
            began = time.perf_counter()
            reset(world, 0, seed)
            warm.append(time.perf_counter() - began)
    with DesktopWorld(look=LOOK, standby=0) as world:
        for seed in range(rounds // 3 + 1):
            began = time.perf_counter()
            reset(world, 0, seed)
            fresh.append(time.perf_counter() - began)
    return {"reset_ms": median_ms(warm), "fresh_start_s": round(statistics.median(fresh), 3)}


def measure_steps(rounds: int) -> dict[str, float]:
    """Time a click with what is seen after it, and a picture alone."""
    rng = random.Random(0)  # noqa: S311 (reproducible, not secret)
    steps, pictures = [], []
    desktop = Desktop.start(apps=(EDITOR,))
    try:
        box = next(each for each in desktop.look(LOOK, "").elements if each.role == "textbox").box
        desktop.act(Type("All work and no play. " * 40))
        for _ in range(rounds * 5):
            action = Click(x=box.x + rng.randrange(box.width), y=box.y + rng.randrange(box.height))
            began = time.perf_counter()
            desktop.act(action)
            desktop.look(LOOK, "")
            steps.append(time.perf_counter() - began)
        for _ in range(rounds * 10):
            began = time.perf_counter()
            desktop.screenshot()
            pictures.append(time.perf_counter() - began)
    finally:
        desktop.close()
    p99 = sorted(steps)[int(0.99 * (len(steps) - 1))]
    return {
        "step_ms": median_ms(steps),
        "step_p99_ms": round(1000 * p99, 1),
        "screenshot_ms": median_ms(pictures, digits=2),
    }


def measure_many(count: int, tree: Tree) -> dict[str, Any]:
    """Start many at once, and look at what they take."""
    began = time.perf_counter()
    with DesktopWorld(num_slots=count, look=LOOK, standby=0) as world:
        answers = world.reset({slot: Instance(Note(), slot) for slot in range(count)})
        all_up_s = time.perf_counter() - began
        up = [each for each in answers.values() if isinstance(each, Observation) and "Mousepad" in each.title]
        pss_mb = tree.pss_mb() / count
        before, since = tree.cpu_s(), time.perf_counter()
        time.sleep(IDLE_S)
        idle = (tree.cpu_s() - before) / (time.perf_counter() - since)
    return {
        "desktops": len(up),
        "all_up_s": round(all_up_s, 1),
        "pss_mb": round(pss_mb, 1),
        "pss_unreadable": tree.unreadable,
        "idle_cpu_pct": round(100 * idle, 2),
    }


def traces() -> dict[str, set[str]]:
    """Return what desktops could leave on this machine."""
    groups = {str(path) for path in Path("/sys/fs/cgroup").glob("**/agentgym*")}
    temporary = {str(path) for path in Path(tempfile.gettempdir()).glob("agentgym-desktop*")}
    leases = {str(path) for root in ("/run", tempfile.gettempdir()) for path in Path(root).glob("agentgym-desktop*/*")}
    memory = {str(path) for path in Path("/dev/shm").iterdir()}  # noqa: S108 (read, not written)
    mounts = set(Path("/proc/self/mountinfo").read_text().splitlines())
    return {"control groups": groups, "files": temporary | memory, "leases": leases, "mounts": mounts}


def measure_leftovers(resets: int, tree: Tree) -> dict[str, Any]:
    """Play many short episodes, and look for what is left of them."""
    before = traces()
    began = time.perf_counter()
    failures = 0
    with DesktopWorld(num_slots=2, look=LOOK, standby=2) as world:
        for seed in range(0, resets, 2):
            for answer in world.reset({slot: Instance(Note(), seed + slot) for slot in range(2)}).values():
                failures += isinstance(answer, InfrastructureError)
            world.step({0: Type("x")})
    seconds = time.perf_counter() - began
    deadline = time.monotonic() + END_S
    keeper = {process.pid for process in tree.beneath if "keeper.py" in " ".join(process.cmdline())}
    while len(tree.beneath) > len(keeper) and time.monotonic() < deadline:
        time.sleep(0.1)
    after = traces()
    left = {kind: sorted(after[kind] - found) for kind, found in before.items()}
    left["processes"] = [str(process) for process in tree.beneath if process.pid not in keeper]
    return {
        "resets": resets,
        "resets_per_s": round(resets / seconds, 2),
        "infrastructure_failures": failures,
        "leftovers": sum(map(len, left.values())),
        "left": {kind: found for kind, found in left.items() if found},
    }


def median_ms(seconds: list[float], *, digits: int = 1) -> float:
    """Return the median of times in milliseconds."""
    return round(1000 * statistics.median(seconds), digits)


def main() -> int:
    """Measure, print, write."""
    options = arguments()
    tree = Tree()
    result: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "root": os.geteuid() == 0}
    for name, measure in (
        ("resets", lambda: measure_resets(options.rounds)),
        ("steps", lambda: measure_steps(options.rounds)),
        ("many", lambda: measure_many(options.desktops, tree)),
        ("leftovers", lambda: measure_leftovers(options.resets, tree)),
    ):
        print(f"{name} ...", file=sys.stderr, flush=True)
        result |= measure()
    result["versions"] = versions()
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if result["leftovers"] else 0


if __name__ == "__main__":
    sys.exit(main())
