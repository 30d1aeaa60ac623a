"""`agentgym report`: the report of a run, as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run, such as runs/quickstart.")],
) -> None:
    """Write a run's report.html anew from what is in its folder."""
    from agentgym.evaluate.report import write_report

    typer.echo(write_report(run))
