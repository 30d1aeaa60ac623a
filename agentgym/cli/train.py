"""`agentgym train`: a training run from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or path of a YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Changes of single keys, such as seed=3 or grpo.learning_rate=5e-5.")
    ] = None,
    *,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    ray: Annotated[bool, typer.Option("--ray", help="Play episodes in Ray worker actors.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/RECIPE by default.")] = None,
) -> None:
    """Train a model: score it, train it on episodes that it plays, score it again, report."""
    from agentgym.train.config import load_config

    changes = list(overrides or [])
    if ray:
        changes.append("ray.enabled=true")
    if out is not None:
        changes.append(f"out={out}")
    config = load_config(recipe, changes)
    from agentgym.train.run import train as run

    run(config, resume=resume, console=Console(stderr=True))
