"""The process in which metrics run: it opens what an agent has left, so it has limits of time and memory.

`measure` starts it, and hands over the metric's name and what it is to compare (our own pickle, from us to it); a JSON
object comes back. A file that takes too long to read, or too much memory, is the agent's doing: such a check is 0.
What a metric cannot judge, such as a broken file of the task's own, raises `CannotJudgeError`.
"""

from __future__ import annotations

import json
import pickle
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

CPU_S = 20
MEMORY = 2_000_000_000  # bytes of addresses
TIMEOUT_S = 120.0  # on a busy machine; its own limit is of CPU time


class CannotJudgeError(Exception):
    """A check has no answer: what it is compared with cannot be read, or the metric has a gap."""


class Measured(NamedTuple):
    """What came of a metric."""

    value: float
    """In [0, 1]."""
    reason: str


def measure(func: str, result: Any, expected: Any, options: dict[str, Any], *, cpu_s: int = CPU_S) -> Measured:
    """Apply a metric, in a process of its own.

    Args:
        func: its name, one of `metrics.METRICS`.
        result: what the agent has brought about; None where there is nothing.
        expected: what it is compared with.
        options: of the metric.
        cpu_s: seconds of CPU time that it may take.

    Raises:
        CannotJudgeError: see there.
    """
    request = pickle.dumps((func, result, expected, options, cpu_s))
    command = [sys.executable, "-I", str(Path(__file__)), json.dumps([each for each in sys.path if each])]
    try:
        done = subprocess.run(command, input=request, capture_output=True, timeout=TIMEOUT_S, check=False)  # noqa: S603 (our own script)
    except subprocess.TimeoutExpired as error:
        raise CannotJudgeError(f"{func} did not answer within {TIMEOUT_S:g} s") from error
    if done.returncode < 0:
        return Measured(0.0, f"{func}: reading what was left takes more than {cpu_s} s of CPU time or {MEMORY:,} bytes")
    if done.returncode > 0:
        raise CannotJudgeError(f"{func} failed: {done.stderr.decode(errors='replace')[-300:]}")
    answer = json.loads(done.stdout)
    if "cannot" in answer:
        raise CannotJudgeError(f"{func}: {answer['cannot']}")
    return Measured(min(1.0, max(0.0, float(answer["value"]))), f"{func}: {answer['reason']}"[:300])


def main() -> None:
    """Read a request, apply the metric, and say what came of it."""
    sys.path[:] = json.loads(sys.argv[1])
    from agentgym_desktop.osworld.files import LastRow
    from agentgym_desktop.osworld.metrics import METRICS, UnreadableError
    from agentgym_desktop.osworld.metrics.tables import last_row

    request = sys.stdin.buffer.read()
    func, result, expected, options, cpu_s = pickle.loads(request)  # noqa: S301 (from our own parent)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer: dict[str, Any]
    try:
        result, expected = (last_row(each.file) if isinstance(each, LastRow) else each for each in (result, expected))
        value = METRICS[func].call(result, expected, options)
        answer = {"value": value, "reason": "as wanted" if value >= 1 else "not as wanted"}
    except UnreadableError as error:
        answer = {"value": 0.0, "reason": str(error)} if error.of_agent else {"cannot": str(error)}
    except MemoryError:
        answer = {"value": 0.0, "reason": "reading what was left takes too much memory"}
    except Exception as error:  # noqa: BLE001 (libraries raise anything for a file that is broken on purpose)
        answer = _blame(METRICS[func].call, result, expected, options, error)
    sys.stdout.write(json.dumps(answer))


def _blame(call: Any, result: Any, expected: Any, options: dict[str, Any], error: Exception) -> dict[str, Any]:
    """Return 0 for what an agent has left, if it was that: the metric copes with the task's own file in its place."""
    from agentgym_desktop.osworld.files import File

    what = f"{type(error).__name__}: {error}"[:200]
    of_agent = [each for side in (result, expected) for each in (side if isinstance(side, list) else [side])]
    if not any(isinstance(each, File) and not each.ours for each in of_agent):
        return {"cannot": what}
    if isinstance(expected, File):
        try:
            call(expected, expected, options)
        except Exception:  # noqa: BLE001 (the same, or another: it is not the agent's file)
            return {"cannot": what}
    return {"value": 0.0, "reason": f"what was left cannot be judged: {what}"}


if __name__ == "__main__":
    main()
