"""Play many episodes in the browser world and watch what they leave: memory, processes, folders.

    python scripts/soak_browser.py --episodes 10000 --json soak.json

Real MiniWoB++ tasks, a trusted click on a random element a step. Memory is that of this process and all that descend
from it, sampled as the episodes go: what is theirs alone (USS) and with their share of what several have (PSS, which
falls where others run the same browser). Growth is that of the USS of the last tenth of the samples over those of the
thousand episodes after the first thousand, medians of both (of runs too short for that, over the first sample). Ends
with 1 where memory grew by more than is allowed, or
where a process or a folder is left.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import ctypes
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

import agentgym
from agentgym.action import Click
from agentgym.versions import versions
from agentgym_browser.chromium import browser_version, find_chromium

WARM_UP = 1000  # episodes, or a fifth of fewer than 5,000: caches and heaps find their size
MAX_GROWTH = 0.05
SAMPLES = 200
PR_SET_CHILD_SUBREAPER = 36


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--envs", type=int, default=8)
    parser.add_argument("--tasks", default="miniwob", help="task ids and suites, separated by commas")
    parser.add_argument("--max-steps", type=int, default=6, help="actions an episode")
    parser.add_argument("--screenshot", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for the result")
    return parser.parse_args()


def kind_of(process: psutil.Process) -> str:
    """Return what a process of the tree is: this script, a keeper, the browser, or a child of it by its type."""
    command = " ".join(process.cmdline())  # Chromium's children write theirs as one word
    if process.pid == os.getpid():
        return "python"
    if "keeper.py" in command:
        return "keeper"
    kind = re.search(r"--type=([a-z-]+)", command)
    if kind is None:
        return "browser"
    service = re.search(r"--utility-sub-type=([a-z_]+)", command)
    return kind[1] if service is None else service[1]


def sample(episodes: int, began: float) -> dict[str, Any]:
    """Return the memory in MB and the number of processes of each kind."""
    memory: collections.Counter[str] = collections.Counter()
    own: collections.Counter[str] = collections.Counter()
    count: collections.Counter[str] = collections.Counter()
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            kind = kind_of(process)
            rolled = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        except (OSError, psutil.NoSuchProcess):
            continue  # it has ended meanwhile
        memory[kind] += _kib("Pss", rolled)
        own[kind] += _kib("Private_Clean", rolled) + _kib("Private_Dirty", rolled)
        count[kind] += 1
    return {
        "episodes": episodes,
        "seconds": round(time.perf_counter() - began, 1),
        "pss_mb": round(memory.total() / 1024, 1),
        "uss_mb": round(own.total() / 1024, 1),
        "uss_mb_by_kind": {kind: round(kib / 1024, 1) for kind, kib in sorted(own.items())},
        "processes": dict(sorted(count.items())),
        "descriptors": me.num_fds(),
        "threads": me.num_threads(),
    }


def _kib(name: str, rolled: str) -> int:
    """Return a field of the kernel's smaps_rollup."""
    found = re.search(rf"^{name}: +(\d+) kB", rolled, re.MULTILINE)
    return int(found[1]) if found else 0


def play(options: argparse.Namespace) -> dict[str, Any]:
    """Play the episodes; return the samples and what failed on the way."""
    chance = random.Random(options.seed)  # noqa: S311 (clicks, not secrets)
    failures: collections.Counter[str] = collections.Counter()
    starts: set[int] = set()
    samples: list[dict[str, Any]] = []
    every = max(1, options.episodes // SAMPLES)
    episodes, due = options.envs, 0
    env = agentgym.make_vec(
        options.tasks, num_envs=options.envs, screenshot=options.screenshot, max_steps=options.max_steps
    )
    began = time.perf_counter()
    with contextlib.closing(env):
        env.reset(seed=options.seed)
        while episodes < options.episodes:
            actions = [
                Click(element=chance.choice(each.elements).id) if each.elements else Click(x=1, y=1)
                for each in env.observations
            ]
            _, _, terminated, truncated, infos = env.step(actions)
            episodes += int((terminated | truncated).sum())
            failures.update(kind for kind in infos["infrastructure_kind"] if kind is not None)
            if episodes >= due:
                due = episodes - episodes % every + every
                samples.append(sample(episodes, began))
                starts |= {child.pid for child in psutil.Process().children()}
                print(json.dumps(samples[-1]), file=sys.stderr, flush=True)
        seconds = time.perf_counter() - began
    return {
        "episodes": episodes,
        "seconds": round(seconds, 1),
        "infrastructure_failures": dict(failures),
        "browsers_started": len(starts),
        "samples": samples,
    }


def growth(samples: list[dict[str, Any]], episodes: int) -> tuple[float, float]:
    """Return the memory in MB after the first episodes and at the end."""
    warm = min(WARM_UP, episodes // 5)
    early = [each["uss_mb"] for each in samples if warm <= each["episodes"] <= 2 * warm]
    early = early or [samples[0]["uss_mb"]]
    late = [each["uss_mb"] for each in samples[-max(1, len(samples) // 10) :]]
    return statistics.median(early), statistics.median(late)


def main() -> None:
    """Run the soak and print the result."""
    options = arguments()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what a browser leaves behind becomes our child
    with tempfile.TemporaryDirectory(prefix="agentgym-soak-") as folder:
        os.environ["TMPDIR"] = folder
        tempfile.tempdir = None
        result = play(options)
        left = sorted(path.name for path in Path(folder).iterdir())
    processes = [" ".join(child.cmdline())[:200] or child.name() for child in psutil.Process().children(recursive=True)]
    early, late = growth(result["samples"], result["episodes"])
    fine = late <= early * (1 + MAX_GROWTH) and not left and not processes
    document = {
        "passed": fine,
        "growth": round(late / early - 1, 4),
        "uss_mb_early": early,
        "uss_mb_late": late,
        "left_processes": processes,
        "left_folders": left,
        **result,
        "settings": {name: value for name, value in vars(options).items() if name != "json"},
        "machine": {"cores": len(os.sched_getaffinity(0)), "browser": browser_version(find_chromium())},
        "versions": versions(),
    }
    if options.json is not None:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    print(json.dumps({name: value for name, value in document.items() if name != "samples"}, indent=2))
    if not fine:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
