"""`agentgym tasks`: which tasks there are, and what one of them is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentgym.cli.tables import new_table, print_table
from agentgym.registry import get_suite, get_task, suites

if TYPE_CHECKING:
    from agentgym.task import Task


def tasks(
    task_id: Annotated[str | None, typer.Argument(help="Describe this task; without it, all are listed.")] = None,
    *,
    suite: Annotated[str | None, typer.Option(help="List the tasks of this suite only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """List the tasks, or describe one."""
    if task_id is not None:
        chosen = [get_task(task_id)]
    elif suite is not None:
        chosen = list(get_suite(suite).tasks)
    else:
        chosen = list({task.id: task for each in suites().values() for task in each.tasks}.values())
    if as_json:
        typer.echo(json.dumps([_row(task) for task in chosen], indent=2))
    elif task_id is not None:
        for key, value in _row(chosen[0]).items():
            typer.echo(f"{key:>12}: {value}")
    else:
        table = new_table("task", "world", "steps", "oracle")
        for task in chosen:
            table.add_row(task.id, task.world, str(task.max_steps), "yes" if task.has_oracle else "-")
        print_table(table)


def _row(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "description": task.description,
        "world": task.world,
        "viewport": f"{task.viewport[0]}x{task.viewport[1]}",
        "max_steps": task.max_steps,
        "oracle": task.has_oracle,
        "suites": [suite.name for suite in suites().values() if any(each.id == task.id for each in suite.tasks)],
    }
