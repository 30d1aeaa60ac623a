"""Prove the desktop suite: play its oracles on test seeds in the real world, and tell how many solve their tasks.

    python scripts/prove_desktop_suite.py --tasks desktop/editor --seeds 10 --slots 2 --json proof.json

Prints a line a task and writes, as JSON, for each task: `success` (share of its episodes that were solved),
`mean_steps`, `max_steps`, `infrastructure_failures`; and for all together `success` and `seconds`. Ends with status 1
where a task falls below `--least`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from agentgym.episode import EpisodeKey
from agentgym.policy.oracle import OraclePolicy
from agentgym.rollout.collector import Collector, EpisodeRequest
from agentgym.task import seed_of
from agentgym_desktop.suite import DESKTOP
from agentgym_desktop.world import DesktopWorld


def main() -> int:
    """Play and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", default=[""], help="ids, or how they begin; all where left out")
    parser.add_argument("--seeds", type=int, default=10, help="of each task")
    parser.add_argument("--first-seed", type=int, default=0, help="index of the first test seed")
    parser.add_argument("--slots", type=int, default=2, help="desktops that are used at once")
    parser.add_argument("--least", type=float, default=0.95, help="success that each task must reach")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    tasks = [task for task in DESKTOP.tasks if task.id.startswith(tuple(options.tasks))]
    if not tasks:
        parser.error(f"no task of the suite begins with any of {options.tasks}")
    requests = [
        EpisodeRequest(EpisodeKey(task.id, seed_of(options.first_seed + index, split="test")), task)
        for task in tasks
        for index in range(options.seeds)
    ]
    told: dict[str, dict[str, Any]] = {
        task.id: {"episodes": 0, "solved": 0, "steps": 0, "infrastructure_failures": 0, "max_steps": task.max_steps}
        for task in tasks
    }
    with DesktopWorld(num_slots=options.slots) as world:
        collector = Collector(world, OraclePolicy())
        for trajectory in collector.collect(requests):
            of_task = told[trajectory.key.task_id]
            if trajectory.outcome == "infrastructure":
                of_task["infrastructure_failures"] += 1
                print(f"{trajectory.key}: {trajectory.reason}", file=sys.stderr)
                continue
            of_task["episodes"] += 1
            of_task["solved"] += trajectory.success
            of_task["steps"] += len(trajectory.turns)
            if not trajectory.success:
                print(f"{trajectory.key}: {trajectory.outcome}, {trajectory.reason}", file=sys.stderr)
    for name, of_task in told.items():
        episodes = max(1, of_task["episodes"])
        of_task["success"] = of_task.pop("solved") / episodes
        of_task["mean_steps"] = of_task.pop("steps") / episodes
        print(f"{name:36} {of_task['success']:5.2f}  {of_task['mean_steps']:5.1f} of {of_task['max_steps']} steps")
    proof = {
        "success": sum(of_task["success"] for of_task in told.values()) / len(told),
        "seconds": collector.stats.env_s,
        "tasks": told,
    }
    print(f"{len(told)} tasks, success {proof['success']:.3f}, {proof['seconds']:.0f} s in the world")
    if options.json is not None:
        options.json.write_text(json.dumps(proof, indent=2) + "\n")
    return 0 if all(of_task["success"] >= options.least for of_task in told.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
