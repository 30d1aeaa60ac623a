"""The `agentgym` command: its subcommands, and the one place where errors become messages and exit codes.

Exit codes: 0 done, 1 an error that a message explains, 2 wrong usage, 130 interrupted by Ctrl-C. Bugs of ours keep
their traceback. Nothing heavy is imported before it is needed: `agentgym --help` knows neither torch nor a browser.
"""

from __future__ import annotations

import errno
import sys
from typing import Annotated, NoReturn

import typer

from agentgym.cli.doctor import doctor
from agentgym.cli.evaluate import evaluate
from agentgym.cli.report import report
from agentgym.cli.tasks import tasks
from agentgym.cli.train import train
from agentgym.errors import AgentGymError
from agentgym.versions import versions

INTERRUPTED = 130  # what typer exits with after Ctrl-C
FILE_ERRORS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ENOENT,
        errno.ENAMETOOLONG,
        errno.ELOOP,
    }
)
"""What a path that was given, or a full disk, can be the reason of; others are bugs of ours."""

app = typer.Typer(
    name="agentgym",
    help="A gym in which open models learn to use computers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"agentgym {versions().get('agentgym-cua', '(not installed)')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Take the options that belong to no subcommand."""


app.command("tasks")(tasks)
app.command("eval")(evaluate)
app.command("train")(train)
app.command("report")(report)
app.command("doctor")(doctor)


def main() -> None:
    """Run the command line and exit."""
    try:
        app()
    except SystemExit as stop:
        if stop.code != INTERRUPTED:
            raise
        _stop(
            "Interrupted. `eval --out` and `train` keep what was finished, and go on from there: the first by the same "
            "command, the second with --resume. Without --out, `eval` keeps nothing.",
            INTERRUPTED,
        )
    except AgentGymError as error:
        _stop(str(error), 1)
    except OSError as error:
        if error.errno not in FILE_ERRORS:
            raise
        place = error.filename or "a file"
        _stop(f"{place}: {error.strerror}. Look at its permissions, free some space, or choose another place.", 1)


def _stop(message: str, code: int) -> NoReturn:
    """Print one message on standard error and exit."""
    print(f"agentgym: {message}", file=sys.stderr)  # noqa: T201 (the command line's own output)
    sys.exit(code)
