"""Play oracles in the browser and keep their turns: the demonstrations that `scripts/build_nano.py` learns from.

    python scripts/play_demonstrations.py --out demonstrations.parquet

Plays every MiniWoB++ task that has an oracle on train seeds, except those of the quick start, and leaves out every
episode whose instruction is a sentence of theirs: the starter model must not have seen them. Only turns of successful
episodes are kept. Columns: task_id, prompt, completion.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from agentgym.episode import EpisodeKey
from agentgym.nano.heldout import is_held_out
from agentgym.policy.oracle import OraclePolicy
from agentgym.registry import get_suite, make_world
from agentgym.rollout.collector import Collector, EpisodeRequest
from agentgym.task import seed_of


def main() -> None:
    """Play and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="Parquet file")
    parser.add_argument("--episodes", type=int, default=60, help="of each task")
    parser.add_argument("--first-seed", type=int, default=500_000, help="index of the first train seed")
    parser.add_argument("--sessions", type=int, default=8, help="that are open at once")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)  # told now, not after all has been played
    unseen = {task.id for task in get_suite("miniwob-quickstart").tasks}
    tasks = [task for task in get_suite("miniwob").tasks if task.has_oracle and task.id not in unseen]
    requests = [
        EpisodeRequest(EpisodeKey(task.id, seed_of(options.first_seed + index, split="train")), task)
        for task in tasks
        for index in range(options.episodes)
    ]
    rows: list[dict[str, str]] = []
    with make_world("browser", num_slots=options.sessions) as world:
        for trajectory in Collector(world, OraclePolicy()).collect(requests):
            if trajectory.success and not is_held_out(trajectory.instruction):
                rows += [
                    {"task_id": trajectory.key.task_id, "prompt": turn.prompt, "completion": turn.completion}
                    for turn in trajectory.turns
                    if not turn.error
                ]
    rows.sort(key=lambda row: (row["task_id"], row["prompt"], row["completion"]))  # not by order of ending
    pq.write_table(pa.Table.from_pylist(rows), options.out)
    counts = Counter(row["task_id"] for row in rows)
    for task_id, count in sorted(counts.items()):
        print(f"{task_id:40} {count:6} turns")
    print(f"{len(rows)} turns of {len(counts)} tasks in {options.out}")


if __name__ == "__main__":
    main()
