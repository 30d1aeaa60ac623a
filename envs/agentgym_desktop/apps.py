"""The programs of a desktop, and how each is started: by name, with what must be installed for it.

A task names the apps that are open when its episode starts; standby desktops have them open already. What an app opens
for one seed alone, such as a document, is a `Start` in the task's `Setup`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from agentgym.errors import MissingDependencyError


@dataclass(frozen=True)
class App:
    """A program with windows.

    Args:
        name: what people call it.
        argv: the command that starts it.
        package: of Debian, that has it.
        start_s: a window that is not there so long after the start will not come.
        accessible: whether it tells its elements.
        needs: a file without which it tells none, as a pattern; "" where there is no such file.
    """

    name: str
    argv: tuple[str, ...]
    package: str
    start_s: float = 20.0
    accessible: bool = True
    needs: str = ""

    def check(self) -> None:
        """Check that it is installed.

        Raises:
            MissingDependencyError: it is not.
        """
        if shutil.which(self.argv[0]) is None:
            raise MissingDependencyError(
                f"The desktop's {self.name} needs the program {self.argv[0]!r}, which is not installed. "
                f"Install it with: sudo apt-get install --no-install-recommends {self.package}"
            )
        if self.needs and not any(Path("/").glob(self.needs.lstrip("/"))):
            raise MissingDependencyError(
                f"The desktop's {self.name} needs {self.needs} to tell what it shows, which is not installed. "
                f"Install it with: sudo apt-get install --no-install-recommends {self.package}"
            )

    def with_(self, *arguments: str) -> Start:
        """Return a start of it with arguments, such as a file in the home folder."""
        return Start(self, arguments)


@dataclass(frozen=True)
class Start:
    """An app that is started, with its arguments."""

    app: App
    arguments: tuple[str, ...] = ()

    @property
    def argv(self) -> tuple[str, ...]:
        """The whole command."""
        return (*self.app.argv, *self.arguments)


_OFFICE = ("--norestore", "--nologo", "--nofirststartwizard", "--nolockcheck")

EDITOR = App("text editor", ("mousepad", "--disable-server"), "mousepad")
FILES = App(
    "file manager",
    ("pcmanfm", "--no-desktop"),
    "pcmanfm libatk-adaptor",
    needs="/usr/lib/*/gtk-2.0/modules/libatk-bridge.so",  # it is of GTK 2, which does not speak AT-SPI by itself
)
TERMINAL = App("terminal", ("xterm",), "xterm", accessible=False)
CALCULATOR = App("calculator", ("galculator",), "galculator")
CALC = App("spreadsheet", ("localc", *_OFFICE), "libreoffice-calc libreoffice-gtk3", start_s=60.0)
WRITER = App("word processor", ("lowriter", *_OFFICE), "libreoffice-writer libreoffice-gtk3", start_s=60.0)
PDF_VIEWER = App("PDF viewer", ("evince",), "evince")
IMAGE_VIEWER = App("image viewer", ("eog",), "eog")
_BROWSER = (
    "--no-sandbox",  # it stands within the desktop's walls already, and its own would need user namespaces
    "--test-type",  # says nothing of the line above
    "--force-renderer-accessibility",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-crash-reporter",
    "--disable-extensions",
    "--disable-sync",
    "--password-store=basic",
)
BROWSER = App("browser", ("chromium", *_BROWSER), "chromium", start_s=60.0)

APPS = (EDITOR, FILES, TERMINAL, CALCULATOR, CALC, WRITER, PDF_VIEWER, IMAGE_VIEWER, BROWSER)
