"""Whether the same seed and actions give the same episode: in another process, and after other episodes.

    python scripts/replay.py --json replay.json

Plays every task and seed twice, each time in a process and browser of its own, the second time in reverse order and
with other neighbours: actions are drawn from the seed alone, the digest is over every observation (screenshots too),
reward and end. Prints the tasks that differ, and exits with 1 if there are any that do not say so themselves.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TypeVar

from agentgym.action import Action, Click, Drag, Fill, Hover, Press, Scroll, Select, Type, Wait
from agentgym.errors import InfrastructureError
from agentgym.registry import get_task, make_world, select_tasks
from agentgym.task import Instance

if TYPE_CHECKING:
    from agentgym.observation import Observation

Result = TypeVar("Result")

TYPED = {"textbox", "searchbox", "spinbutton", "date", "time"}


class Player:
    """Draws actions that a seed decides, among those that do something on the screen."""

    def __init__(self, task_id: str, seed: int) -> None:
        self._rng = Random(f"{task_id} {seed}")  # noqa: S311 (actions, not secrets)

    def act(self, observation: Observation, width: int, height: int) -> Action:
        """Return the next action."""
        rng = self._rng
        if not observation.elements or rng.random() < 0.2:
            x, y = rng.randrange(width), rng.randrange(height)
            others = Scroll(0, rng.randrange(-200, 200)), Press("Tab"), Type("ab c"), Wait(ms=rng.randrange(1000))
            to_x, to_y = rng.randrange(width), rng.randrange(height)
            return rng.choice([Click(x=x, y=y), Drag(x=x, y=y, to_x=to_x, to_y=to_y), Hover(x=x, y=y), *others])
        element = rng.choice(observation.elements)
        options = [each.name for each in observation.elements if each.role == "option"]
        if element.role in TYPED and rng.random() < 0.7:
            return Fill(element.id, rng.choice(self._words(observation)))
        if element.role in {"combobox", "listbox"} and options:
            return Select(element.id, rng.choice(options))
        return Click(element=element.id)

    def _words(self, observation: Observation) -> list[str]:
        return [word.strip('",.') for word in observation.instruction.split()] or ["x"]


def digest(observation: Observation) -> bytes:
    """Return what an observation is, in a few bytes."""
    assert observation.screenshot is not None
    lines = [observation.instruction, observation.url, observation.title, observation.error]
    lines += [f"{element.line} {tuple(element.box)}" for element in observation.elements]
    return hashlib.sha256("\n".join(lines).encode() + observation.screenshot.tobytes()).digest()


def play(episodes: list[tuple[str, int]], slots: int, steps: int) -> dict[str, list[str]]:
    """Play episodes in this process; return the digests of their observations, step by step, with rewards."""
    played: dict[str, list[str]] = {}
    with make_world("browser", num_slots=slots, screenshot=True) as world:
        for start in range(0, len(episodes), slots):
            batch = dict(enumerate(episodes[start : start + slots]))
            players = {slot: Player(*episode) for slot, episode in batch.items()}
            tasks = {slot: get_task(task_id) for slot, (task_id, _) in batch.items()}
            seen = world.reset({slot: Instance(tasks[slot], seed) for slot, (_, seed) in batch.items()})
            observations = {slot: _right(each) for slot, each in seen.items()}
            for slot, (task_id, seed) in batch.items():
                played[f"{task_id} {seed}"] = [digest(observations[slot]).hex()]
            running = set(batch)
            for _ in range(steps):
                if not running:
                    break
                stepped = world.step(
                    {slot: players[slot].act(observations[slot], *tasks[slot].viewport) for slot in running}
                )
                for slot, result in stepped.items():
                    step = _right(result)
                    observations[slot] = step.observation
                    score = None if step.score is None else step.score.value
                    task_id, seed = batch[slot]
                    played[f"{task_id} {seed}"].append(f"{digest(step.observation).hex()} {score}")
                    if step.score is not None:
                        running.remove(slot)
    return played


def _right(result: Result | InfrastructureError) -> Result:
    if isinstance(result, InfrastructureError):
        raise result
    return result


def main() -> int:
    """Play twice, compare, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="miniwob", help="tasks and suites, separated by commas")
    parser.add_argument("--seeds", type=int, default=3, help="of each task")
    parser.add_argument("--steps", type=int, default=6, help="of an episode at most")
    parser.add_argument("--json", type=Path, help="where to write the result")
    options = parser.parse_args()
    tasks = select_tasks(options.tasks)
    episodes = [(task.id, seed) for task in tasks for seed in range(options.seeds)]
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as one, ProcessPoolExecutor(1, mp_context=spawn) as other:
        first = one.submit(play, episodes, 4, options.steps)
        second = other.submit(play, episodes[::-1], 3, options.steps)
        runs = first.result(), second.result()
    different = {
        episode: next(step for step, pair in enumerate(zip(*each, strict=False)) if len(set(pair)) > 1)
        for episode in runs[0]
        if (each := (runs[0][episode], runs[1][episode])) and each[0] != each[1]
    }
    known = {task.id for task in tasks if not task.deterministic}
    unexpected = {episode for episode in different if episode.split()[0] not in known}
    for episode, step in different.items():
        word = "" if episode in unexpected else ", as the task says of itself"
        print(f"{episode}: differs from step {step} on{word}")
    print(f"{len(episodes) - len(different)} of {len(episodes)} episodes are the same in both processes.")
    if options.json:
        result = {"episodes": len(episodes), "same": len(episodes) - len(different), "different": different}
        options.json.write_text(json.dumps(result, indent=1))
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
