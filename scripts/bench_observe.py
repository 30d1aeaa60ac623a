"""Measure how long an observation takes by the size of the page.

    python scripts/bench_observe.py --json result.json

Pages are mixed as real ones are (navigation, forms, a table, lists, prose) and shown at 1280x720. ``observe_ms`` is the
observation itself: the script in the page, its answer on the wire, and the `Observation` made of it. ``step_ms`` is a
whole step that does nothing, with the wait for the page and a frame. ``renderer_cpu_ms`` is what the page's own thread
worked for an observation, which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentgym.action import Wait
from agentgym.look import PARTS, Budget, Look, Part
from agentgym.task import Instance
from agentgym.versions import versions
from agentgym_browser import BrowserTask, Setup
from agentgym_browser.chromium import browser_version, find_chromium
from agentgym_browser.world import BrowserWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from random import Random

    from agentgym.episode import Score

sys.path.insert(0, str(Path(__file__).parent.parent))  # the pages are those of the tests

SIZES = (100, 1_000, 10_000, 50_000)  # nodes
VIEWPORT = (1280, 720)


class BigPage(BrowserTask):
    """A page of so many nodes."""

    id = "bench/page"
    viewport = VIEWPORT
    still = True  # what is measured is observing, without a frame before it

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes

    def setup(self, rng: Random) -> Setup:
        """Return the page."""
        from tests.big_page import big_page

        del rng
        return Setup("Look.", f"<!doctype html><html><body>{big_page(self.nodes)}</body></html>")

    def score(self, state: Any, goal: Any, answer: str | None) -> Score | None:
        """Return None: it goes on."""
        del state, goal, answer
        return None


def measure(world: BrowserWorld, nodes: int, *, rounds: int) -> dict[str, Any]:
    """Observe a page many times."""
    task = BigPage(nodes)
    world.reset({0: Instance(task, 0)})
    session = world._sessions[0]
    page, window = session.page, session._window
    if page is None or window is None:
        raise SystemExit(f"The page of {nodes} nodes could not be opened.")
    world._run(page.call("Performance.enable", {"timeDomain": "threadTicks"}))
    observe_ms, step_ms, cpu_ms = [], [], []
    for _ in range(rounds):
        busy = _busy_ms(world, page.call)
        began = time.perf_counter()
        observation = session._observation(window, world._run(session._look(window, task, "null")))
        observe_ms.append(1000 * (time.perf_counter() - began))
        cpu_ms.append(_busy_ms(world, page.call) - busy)
    for _ in range(rounds):
        began = time.perf_counter()
        world.step({0: Wait(ms=0)})
        step_ms.append(1000 * (time.perf_counter() - began))
    return {
        "nodes": world._run(page.observer("document.getElementsByTagName('*').length")),
        "elements": len(observation.elements),
        "omitted": sum(observation.omitted),
        "characters": sum(len(element.line) + 1 for element in observation.elements),
        "observe_ms": _percentiles(observe_ms),
        "step_ms": _percentiles(step_ms),
        "renderer_cpu_ms": _percentiles(cpu_ms),
    }


def _busy_ms(world: BrowserWorld, call: Callable[[str], Coroutine[Any, Any, dict[str, Any]]]) -> float:
    metrics = world._run(call("Performance.getMetrics"))["metrics"]
    return 1000 * next(float(each["value"]) for each in metrics if each["name"] == "TaskDuration")


def _percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"p50": round(statistics.median(ordered), 2), "p99": round(ordered[int(len(ordered) * 0.99)], 2)}


def main() -> None:
    """Measure all sizes and print or keep the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where the result is kept")
    parser.add_argument("--rounds", type=int, default=100, help="observations of each page")
    parser.add_argument("--parts", default="elements", help=f"separated by commas, of {', '.join(PARTS)}")
    parser.add_argument("--elements", type=int, default=Budget().elements, help="budget of elements")
    parser.add_argument("--characters", type=int, default=Budget().characters, help="budget of characters")
    arguments = parser.parse_args()
    parts: list[Part] = arguments.parts.split(",")
    look = Look(frozenset(parts), Budget(arguments.elements, arguments.characters))
    pages: dict[str, dict[str, Any]] = {}
    with BrowserWorld(look=look) as world:
        for nodes in SIZES:
            pages[str(nodes)] = measure(world, nodes, rounds=arguments.rounds)
            print(f"{nodes:>6} nodes  {pages[str(nodes)]}")
    result = {
        "observe_ms": {nodes: page["observe_ms"] for nodes, page in pages.items()},
        "pages": pages,
        "parts": sorted(look.parts),
        "budget": look.budget._asdict(),
        "viewport": VIEWPORT,
        "rounds": arguments.rounds,
        "browser": browser_version(find_chromium()),
        "versions": versions(),
    }
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
