"""What every contestant of the browser benchmark shares: the loop, its clock, and the cost of its processes.

Runs inside environments of other packages too, so it needs psutil alone. A contestant says ``ready`` with its memory,
waits for the word, steps for a while, and says what that took; each line is JSON.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

TASKS = ("click-test-2", "enter-text", "click-checkboxes")
PR_SET_CHILD_SUBREAPER = 36


class Contestant(Protocol):
    """Environments that are stepped together."""

    envs: int
    resets: int
    """Episodes that have begun."""
    steps: int
    """Actions that have been carried out."""

    def step(self) -> None:
        """Click on a random control of every page and observe it; start a new episode where the last one ended.

        Controls are buttons, text fields and checkboxes, so that all contestants end equally many episodes.
        """

    def close(self) -> None:
        """End all of it."""


def arguments() -> argparse.Namespace:
    """Read what the benchmark asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--envs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--screenshot", action="store_true")
    parser.add_argument("--no-delays", action="store_true")
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--chromedriver", default="")
    return parser.parse_args()


def compete(make: Callable[[argparse.Namespace], Contestant]) -> None:
    """Make the contestant, wait for the word, step for the given time, tell."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what a browser leaves behind counts as well
    options = arguments()
    contestant = make(options)
    try:
        contestant.step()  # the first one loads what is loaded lazily
        _say({"ready": True, "pss_mb": tree_pss_mb()})
        sys.stdin.readline()
        _say(_measure(contestant, options.seconds))
    finally:
        contestant.close()


def _measure(contestant: Contestant, seconds: float) -> dict[str, Any]:
    steps, resets, cpu, began = contestant.steps, contestant.resets, tree_cpu_s(), time.perf_counter()
    latencies: list[float] = []
    last = began
    while last - began < seconds:
        contestant.step()
        now = time.perf_counter()
        latencies.append(now - last)
        last = now
    spent = tree_cpu_s() - cpu
    return {
        "steps": contestant.steps - steps,
        "resets": contestant.resets - resets,
        "seconds": last - began,
        "cpu_s": spent,
        "latencies_ms": [1000 * each for each in latencies],
    }


def tree() -> list[psutil.Process]:
    """Return this process and all that descend from it."""
    me = psutil.Process()
    return [me, *me.children(recursive=True)]


def tree_cpu_s() -> float:
    """Return the CPU seconds of the tree, with those of children that have ended."""
    total = 0.0
    for process in tree():
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def tree_pss_mb() -> float:
    """Return the proportional set size of the tree: shared pages count by their share."""
    total = 0
    for process in tree():
        try:
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue  # it has ended meanwhile
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def quiet() -> None:
    """Send what libraries print to standard error: standard output is for the benchmark."""
    own = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(own, "w")
