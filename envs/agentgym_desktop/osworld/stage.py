"""The steps by which OSWorld sets up a task, and gets ready to judge it, carried out on a desktop.

Nothing here runs on the host: commands run inside, as the agent's user, and scripts for mouse and keyboard become
actions (`scripts`). Nothing sleeps: where OSWorld gives the apps some seconds, the screen is waited for instead.

During set-up, what fails is the machine's fault and raises an `InfrastructureError`. When it is judged, the agent has
had the desktop: what it took away is not there, and only where the judge's own files cannot be put in place is the
score 0 (`BlockedError`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agentgym.errors import InfrastructureError, SessionCrashedError, TaskError
from agentgym_desktop import apps
from agentgym_desktop.apps import Start
from agentgym_desktop.osworld import programs
from agentgym_desktop.osworld.paths import inside
from agentgym_desktop.osworld.scripts import filled, is_script, moves_of
from agentgym_desktop.osworld.step import (
    ActivateWindow,
    CloseWindow,
    Download,
    Execute,
    Launch,
    Open,
    Sleep,
    Step,
    Tabs,
    Upload,
    WindowParameters,
)

if TYPE_CHECKING:
    from agentgym_desktop.child import Finished
    from agentgym_desktop.desktop import Desktop
    from agentgym_desktop.osworld.downloads import Downloads
    from agentgym_desktop.osworld.part import Command
    from agentgym_desktop.osworld.step import ExecuteParameters
    from agentgym_desktop.windows import Window

RUN_S = 60.0  # a command takes no longer
TRIES = 10  # of a command that is repeated until it has the wanted effect
GONE = "for i in $(seq 50); do pgrep chromium >/dev/null || break; sleep 0.1; done"  # or 5 s are over
MAX_OUTPUT = 1_000_000  # bytes that a command writes

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|\x1b\[[0-9;?]{0,64}[ -/]?[@-~]|\x1b[=>()][0-9A-Z]?|[\x00-\x08\x0b-\x1f]"
)


class BlockedError(Exception):
    """A file that the judge needs cannot be put where it belongs: the agent has something there."""


@dataclass
class Stage:
    """What steps act on.

    Attributes:
        desktop: the desktop.
        downloads: the files at hand.
        judging: whether the agent has had the desktop.
        cache: what commands wrote that were to keep it, by name.
    """

    desktop: Desktop
    downloads: Downloads
    judging: bool = False
    cache: dict[str, bytes] = field(default_factory=dict)

    def perform(self, step: Step) -> None:
        """Carry out a step.

        Raises:
            InfrastructureError: the desktop failed, or what is to be set up does not come about.
            BlockedError: see there.
        """
        match step:
            case Download() | Upload():
                for file in step.parameters.files:
                    self._put(file.path, file.address)
            case Open():
                app = programs.app_for(step.parameters.path)
                assert app is not None, "support lets no other file through"
                self._start(programs.opening(app, inside(step.parameters.path)))
            case Launch():
                self._launch(self._argv(step.parameters.command, shell=step.parameters.shell))
            case Execute():
                self._execute(step.parameters)
            case ActivateWindow() | CloseWindow():
                for window in self._windows(step.parameters)[:1]:
                    (self.desktop.focus if isinstance(step, ActivateWindow) else self.desktop.shut)(window.id)
            case Sleep():
                self.desktop.settle()
            case Tabs():
                self._start(apps.BROWSER.with_(*step.parameters.urls_to_open))
            case _:
                raise AssertionError(f"support let {step.type} through")

    def run(self, command: Command, *, shell: bool) -> Finished | None:
        """Run a command inside to its end; None where there is no such program."""
        argv = self._argv(command, shell=shell)
        try:
            return self.desktop.sandbox.run(argv, timeout_s=RUN_S, max_output=MAX_OUTPUT)
        except OSError:
            return None

    def terminal_text(self) -> str | None:
        """Return what the newest terminal that a step opened has shown; None where none was opened."""
        logs = self._terminals()
        if not logs:
            return None
        try:
            shown = self.desktop.sandbox.read(f"{programs.TERMINAL_LOG}{max(logs)}", max_bytes=MAX_OUTPUT)
        except OSError:
            return None
        _header, _, text = shown.decode(errors="replace").partition("\n")  # of the program that keeps the log
        return _ESCAPES.sub("", text.replace("\r\n", "\n")).rstrip()

    def _argv(self, command: Command, *, shell: bool) -> list[str]:
        words = [filled(word, self.desktop.size) for word in ([command] if isinstance(command, str) else command)]
        return programs.argv_of(words[0] if isinstance(command, str) else words, shell=shell)

    def _put(self, path: str, address: str) -> None:
        content = self.downloads.read(address)
        try:
            self.desktop.sandbox.write(inside(path), content)
        except OSError as error:
            if self.judging:
                raise BlockedError(f"{inside(path)} cannot be written for the judge: {error.strerror}") from error
            raise SessionCrashedError(f"Set-up could not write {inside(path)}: {error}") from error

    def _start(self, start: Start) -> None:
        if start.app is programs.TERMINAL and start.arguments[-1].startswith(programs.TERMINAL_LOG):
            number = max(self._terminals(), default=0) + 1
            start = Start(start.app, (*start.arguments[:-1], f"{programs.TERMINAL_LOG}{number}"))
        try:
            self.desktop.open(start)
        except InfrastructureError:
            if not self.judging or not self.desktop.alive:
                raise

    def _launch(self, argv: list[str]) -> None:
        start = programs.start_of(argv)
        if start is not None:
            self._start(start)
        elif argv == programs.END_BROWSER:
            self._end_browser()
        elif not programs.is_bridge(argv):
            try:
                self.desktop.sandbox.spawn(argv)
            except OSError as error:
                if not self.judging:
                    raise SessionCrashedError(f"Set-up could not start {argv[0]}: {error}") from error
            self.desktop.settle()

    def _end_browser(self) -> None:
        """End it as its user would, so that it writes what it keeps; what is started next is a new one."""
        for window in self.desktop.windows:
            if window.app.lower() == "chromium":
                self.desktop.shut(window.id)
        self.run(["sh", "-c", f"{GONE}; pkill chromium; {GONE}"], shell=False)
        self.desktop.settle()

    def _execute(self, parameters: ExecuteParameters) -> None:
        command, shell = parameters.command, parameters.shell
        argv = self._argv(command, shell=shell)
        start = programs.start_of(argv)
        if is_script(argv):
            self._play(argv[2])
        elif start is not None and argv[0] not in ("libreoffice", "soffice"):
            self._start(start)
        else:
            for _ in range(TRIES if parameters.until else 1):
                satisfied = self._satisfied(parameters, self.run(command, shell=shell))
                self.desktop.settle()
                if satisfied:
                    break

    def _satisfied(self, parameters: ExecuteParameters, finished: Finished | None) -> bool:
        """Keep what a command wrote, and return whether it has had the wanted effect."""
        stdout, stderr = (finished.stdout, finished.stderr) if finished is not None else (b"", b"")
        if parameters.stdout:
            self.cache[parameters.stdout] = stdout
        if parameters.stderr:
            self.cache[parameters.stderr] = stderr
        until = parameters.until
        if until is None or finished is None:
            return True
        return (
            (until.returncode is not None and finished.status == until.returncode)
            or (until.stdout is not None and until.stdout.encode() in stdout)
            or (until.stderr is not None and until.stderr.encode() in stderr)
        )

    def _play(self, script: str) -> None:
        for move in moves_of(script, self.desktop.size):
            if move == "terminal":
                self._start(programs.terminal())
            elif move == "rest":
                self.desktop.settle()
            else:
                error = self.desktop.act(move)
                if error and not self.judging:
                    raise TaskError(f"The task's set-up could not do {move}: {error}")

    def _windows(self, wanted: WindowParameters) -> list[Window]:
        """Return the windows that are meant, the topmost first."""
        name = wanted.window_name

        def fits(window: Window) -> bool:
            text = window.app if wanted.by_class else window.title
            return text == name if wanted.strict and not wanted.by_class else name.lower() in text.lower()

        return [window for window in reversed(self.desktop.windows) if fits(window)]

    def _terminals(self) -> list[int]:
        folder, _, start = programs.TERMINAL_LOG.rpartition("/")
        try:
            names = self.desktop.sandbox.list(folder)
        except OSError:
            return []
        numbers = [name.removeprefix(start) for name in names if name.startswith(start)]
        return [int(number) for number in numbers if number.isascii() and number.isdigit() and len(number) < 6]
