"""`agentgym tasks`: which tasks there are, and what one of them is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentgym.cli.tables import new_table, print_table
from agentgym.registry import broken_suites, get_suite, get_task, suites

if TYPE_CHECKING:
    from agentgym.task import Task


def tasks(
    name: Annotated[
        str | None, typer.Argument(help="Describe this task, or list this suite; without it, all tasks are listed.")
    ] = None,
    *,
    suite: Annotated[str | None, typer.Option(help="List the tasks of this suite only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """List the tasks and the suites that they are in, or describe one."""
    if suite is None and name in suites():
        name, suite = None, name
    known = suites() if suite is None else {suite: get_suite(suite)}
    if name is not None:
        chosen = [get_task(name) if suite is None else known[suite][name]]
    else:
        chosen = list({task.id: task for each in known.values() for task in each.tasks}.values())
    if as_json:
        typer.echo(json.dumps([_row(task) for task in chosen], indent=2))
    elif name is not None:
        for key, value in _row(chosen[0]).items():
            typer.echo(f"{key:>12}: {value}")
    else:
        table = new_table("task", "suites", "world", "steps", "oracle")
        for task in chosen:
            oracle = "yes" if task.has_oracle else "-"
            table.add_row(task.id, ", ".join(_suites_of(task)), task.world, str(task.max_steps), oracle)
        print_table(table)
    for error in broken_suites().values():
        typer.echo(f"Left out: {error}", err=True)


def _suites_of(task: Task) -> list[str]:
    return [suite.name for suite in suites().values() if any(each.id == task.id for each in suite.tasks)]


def _row(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "description": task.description,
        "world": task.world,
        "viewport": f"{task.viewport[0]}x{task.viewport[1]}",
        "max_steps": task.max_steps,
        "oracle": task.has_oracle,
        "suites": _suites_of(task),
    }
