"""Where the `agentgym` command starts: Ctrl-C while the rest is still being loaded is no traceback either."""

from __future__ import annotations

import sys


def main() -> None:
    """Load and run the command line, and exit."""
    try:
        from agentgym.cli.main import main as run

        run()
    except KeyboardInterrupt:
        print("agentgym: Interrupted.", file=sys.stderr)  # noqa: T201 (the command line's own output)
        sys.exit(130)
