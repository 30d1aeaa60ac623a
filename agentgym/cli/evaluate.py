"""`agentgym eval`: how well a policy does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from agentgym.cli.tables import new_table, print_table
from agentgym.errors import ConfigError
from agentgym.lock import hold
from agentgym.policy.base import MAX_NEW_TOKENS
from agentgym.policy.sight import Sight
from agentgym.policy.speech import DEFAULT, Speech
from agentgym.registry import select_tasks
from agentgym.task import Split
from agentgym.versions import versions

if TYPE_CHECKING:
    from agentgym.evaluate.evaluation import Evaluation, TaskResult


def evaluate(
    context: typer.Context,
    policy: Annotated[str, typer.Option(help="oracle, random, nano, or a checkpoint folder.")],
    tasks: Annotated[str, typer.Option(help="Task ids and suite names, separated by commas.")] = "miniwob-quickstart",
    *,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes a task.")] = 20,
    seeds: Annotated[int, typer.Option(min=0, help="Index of the first seed in the split.")] = 0,
    split: Annotated[Split, typer.Option(help="Whose seeds are used.")] = "test",
    dialect: Annotated[
        str, typer.Option(help="How the policy writes actions, by a name from docs/dialects.md.")
    ] = DEFAULT,
    temperature: Annotated[float, typer.Option(min=0, help="Of sampling from a checkpoint; 0 is greedy.")] = 0.0,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, help="Tokens of a checkpoint's completion at most; most dialects need more.")
    ] = MAX_NEW_TOKENS,
    thinking_tokens: Annotated[
        int, typer.Option(min=0, help="Tokens of a checkpoint's thought before an action at most; 0 asks for none.")
    ] = 0,
    screenshots: Annotated[
        int, typer.Option(min=0, help="Newest screenshots that a checkpoint with eyes is shown; 0 for text alone.")
    ] = 0,
    longest_side: Annotated[
        int | None, typer.Option(min=28, help="Pixels to which larger screenshots are made smaller.")
    ] = None,
    elements: Annotated[bool, typer.Option(help="Whether prompts list the elements, beside screenshots.")] = True,
    chat_template: Annotated[
        Path | None, typer.Option(help="File with a chat template, for a checkpoint that has none.")
    ] = None,
    sessions: Annotated[int, typer.Option(min=1, help="Sessions that are open at once.")] = 8,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="PyTorch threads of a checkpoint; one less than the cores where not given."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Keep trajectories here; run again, it goes on from there.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result to this file.")] = None,
) -> None:
    """Score a policy on tasks."""
    from agentgym.evaluate.player import check_place, check_player, named_player, note_player
    from agentgym.policy.loading import load_policy

    chosen = select_tasks(tasks)
    Speech(dialect)  # a wrong one is told before torch is loaded, and so is a wrong policy
    if not screenshots and (longest_side is not None or not elements):
        raise ConfigError("There are no screenshots; give --screenshots 1 or more, or neither of the other two.")
    options: dict[str, Any] = {
        "dialect": dialect,
        "temperature": temperature,
        "max_new_tokens": max_new_tokens,
        "thinking_tokens": thinking_tokens,
        "sight": Sight(screenshots, longest_side, elements),
        "chat_template": chat_template,
    }
    player = named_player(policy, **options)
    if json_file is not None:
        _check_writable(json_file)  # a wrong place is told before anything is played
    if out is not None:
        check_place(out)
        context.with_resource(hold(out))  # until the command ends
        check_player(out, player)
    loaded = load_policy(policy, threads=threads, **options)
    if out is not None:
        note_player(out, player)
    from agentgym.evaluate.evaluation import evaluate as play
    from agentgym.evaluate.evaluation import playable
    from agentgym.evaluate.progress import show_progress

    total = episodes * len(playable(chosen, loaded))
    with show_progress(Console(stderr=True), policy, total=total, unit="episodes") as progress:
        result = play(
            chosen,
            loaded,
            episodes=episodes,
            first_seed=seeds,
            split=split,
            num_slots=sessions,
            folder=out,
            on_progress=progress,
        )
    _show(result, dialect)
    if json_file is not None:
        json_file.write_text(json.dumps({**_document(result), "dialect": dialect}, indent=2) + "\n")
    if not result.episodes:  # there is no result
        raise typer.Exit(1)


def _check_writable(file: Path) -> None:
    """Raise what writing a file would raise; makes its folder. A pipe or device is not touched."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = not file.exists()
    if new or file.is_file() or file.is_dir():
        file.open("a").close()
    if new:
        file.unlink()


def _document(result: Evaluation) -> dict[str, Any]:
    """Return what ``--json`` writes; these keys are a promise, others of `Evaluation` may change."""
    return {
        "success": result.success if result.episodes else None,
        "ci95": list(result.ci95),
        "tasks": {
            name: {
                "success": task.success if task.episodes else None,
                "ci95": list(task.ci95),
                "episodes": task.episodes,
                "infrastructure_failures": task.infrastructure_failures,
                "unplayed": task.unplayed,
                "mean_steps": task.mean_steps,
            }
            for name, task in result.tasks.items()
        },
        "unplayed": result.unplayed,
        "last_failure": result.last_failure,
        "left_out": list(result.left_out),
        "steps_per_s": result.steps_per_s,
        "versions": versions(),
    }


def _show(result: Evaluation, dialect: str) -> None:
    table = new_table("task", "success", "95 % interval", "episodes", "machine failures", "steps")
    for name, task in result.tasks.items():
        counts = (str(task.episodes), str(task.infrastructure_failures), f"{task.mean_steps:.1f}")
        table.add_row(name, *_rate(task), *counts)
    counts = (str(result.episodes), str(result.infrastructure_failures), "")
    table.add_row("all", *_rate(result), *counts, style="bold")
    print_table(table)
    if result.steps:
        typer.echo(f"{result.steps} steps, {result.steps_per_s:.1f} steps/s")
    elif not result.unplayed:
        typer.echo("All episodes were there already.")
    if dialect != DEFAULT:
        typer.echo(f"Actions were written in {dialect}.")
    if result.left_out:
        typer.echo(f"Left out, as they have no oracle: {', '.join(result.left_out)}", err=True)
    if result.unplayed:
        typer.echo(f"{result.unplayed} episodes could not be played: the machine failed them every time.", err=True)
        typer.echo(f"The newest failure was in {result.last_failure}", err=True)


def _rate(result: Evaluation | TaskResult) -> tuple[str, str]:
    """Return success and its interval; nothing was measured where there are no episodes."""
    if not result.episodes:
        return "-", "-"
    return f"{result.success:.2f}", f"{result.ci95.low:.2f} to {result.ci95.high:.2f}"
