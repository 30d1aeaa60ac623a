"""Finding and starting Chromium.

Started headless, without the keeper it would outlive a killed owner (see `keeper`). Chromium's own sandbox, which keeps
a page that has broken into its renderer from the machine, is on, except for root, where Chromium refuses it. For
debugging there is a visible browser, the full Chromium with a window for each session; it draws by itself, so it is
slower, and its first frames are not the same from run to run.
"""

from __future__ import annotations

import functools
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from agentgym.errors import MissingDependencyError
from agentgym_browser.limits import HEAP_FLAG
from agentgym_browser.network import WALL_FLAGS

ENVIRONMENT_VARIABLE = "AGENTGYM_CHROMIUM"
VISIBLE_ENVIRONMENT_VARIABLE = "AGENTGYM_VISIBLE_CHROMIUM"
CANDIDATES = (
    "/usr/lib/chromium/chromium-headless-shell",  # Debian's chromium-headless-shell package
    "chromium-headless-shell",
    "headless_shell",
)
PLAYWRIGHT_PATTERN = "chromium_headless_shell-*/*/*headless*shell"
VISIBLE_CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
VISIBLE_PLAYWRIGHT_PATTERN = "chromium-*/*/chrome"
INSTALL = (
    "Install it with `sudo apt-get install chromium-headless-shell` (Debian), or with "
    "`pip install playwright && playwright install --with-deps chromium-headless-shell`, "
    f"or set {ENVIRONMENT_VARIABLE} to a headless shell's path."
)
VISIBLE_INSTALL = (
    "Install it with `sudo apt-get install chromium` (Debian), or with "
    "`pip install playwright && playwright install --with-deps chromium`, "
    f"or set {VISIBLE_ENVIRONMENT_VARIABLE} to a Chromium's path."
)

logger = logging.getLogger(__name__)

FLAGS = (
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-breakpad",
    "--disable-checker-imaging",  # a picture is in the first frame after it has come
    "--disable-client-side-phishing-detection",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",  # containers often have 64 MB of it, and pages then crash
    "--disable-extensions",
    # Tasks after input would wait for a frame, and a frame after a scroll that paints anew for what never comes (one of
    # five turns of the wheel over a text area). The last three keep all frames of a page in one process (see `frames`).
    "--disable-features=Translate,MediaRouter,OptimizationHints,AutofillServerCommunication,"  # noqa: ISC004 (one switch)
    "DeferRendererTasksAfterInput,RasterInducingScroll,IsolateOrigins,site-per-process,IsolateSandboxedIframes",
    "--disable-back-forward-cache",  # a page that is gone back to is loaded again, as its seed says
    "--disable-gpu",
    "--disable-hang-monitor",
    "--disable-popup-blocking",
    "--disable-renderer-backgrounding",
    "--disable-site-isolation-trials",
    "--disable-smooth-scrolling",  # keys scroll at once, not over several frames
    "--disable-sync",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--metrics-recording-only",
    "--mute-audio",
    "--password-store=basic",
    "--use-mock-keychain",
)
HEADLESS_FLAGS = (
    "--disable-threaded-animation",  # what the compositor does by itself leaves a frame unanswered
    "--enable-begin-frame-control",  # frames when we ask for them, not 60 a second (see `page.Page.draw`)
    "--hide-scrollbars",
    "--run-all-compositor-stages-before-draw",
)
VISIBLE_FLAGS = ("--no-startup-window",)  # the sessions open their own


@dataclass(frozen=True)
class Chromium:
    """A running browser: its keeper, and our ends of the DevTools pipe."""

    keeper: subprocess.Popen[bytes]
    read_fd: int
    write_fd: int
    folders: Path
    """Where the keeper has made the browser's folder."""

    def folder(self) -> Path:
        """Return the browser's folder, which goes when it ends; to be asked once, after it has answered."""
        assert self.keeper.stdout is not None
        with self.keeper.stdout as told:
            return Path(os.fsdecode(told.readline().rstrip(b"\n")))

    def stop(self, *, timeout_s: float = 10.0) -> None:
        """End the browser and wait until its processes and its folder are gone."""
        assert self.keeper.stdin is not None
        assert self.keeper.stdout is not None
        self.keeper.stdin.close()
        self.keeper.stdout.close()
        try:
            self.keeper.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.keeper.kill()  # the browser follows by its parent-death signal
            self.keeper.wait()
        if self.keeper.returncode >= 0:
            return
        for folder in self.folders.glob(f"agentgym-browser-{self.keeper.pid}-*"):  # its keeper was killed
            shutil.rmtree(folder, ignore_errors=True)


def find_chromium() -> Path:
    """Return the path of a headless shell.

    Raises:
        MissingDependencyError: there is none; the message says how to install one.
    """
    found = _find(ENVIRONMENT_VARIABLE, CANDIDATES, PLAYWRIGHT_PATTERN, INSTALL)
    if found is None:
        raise MissingDependencyError(f"No Chromium headless shell was found. {INSTALL}")
    return found


def find_visible_chromium() -> Path:
    """Return the path of a full Chromium.

    Raises:
        MissingDependencyError: there is none, or no screen that it could show itself on.
    """
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        raise MissingDependencyError(
            "A visible browser needs a screen, but neither DISPLAY nor WAYLAND_DISPLAY is set. Run it on a desktop, or "
            "on a virtual screen: `sudo apt-get install xvfb`, then `xvfb-run -a COMMAND`."
        )
    found = _find(VISIBLE_ENVIRONMENT_VARIABLE, VISIBLE_CANDIDATES, VISIBLE_PLAYWRIGHT_PATTERN, VISIBLE_INSTALL)
    if found is None:
        raise MissingDependencyError(f"No Chromium with a window was found. {VISIBLE_INSTALL}")
    return found


def _find(variable: str, candidates: tuple[str, ...], playwright_pattern: str, install: str) -> Path | None:
    """Look for a browser: where a variable says, on the path, and where Playwright installs its own."""
    asked = os.environ.get(variable)
    if asked:
        if os.access(asked, os.X_OK) and Path(asked).is_file():
            return Path(asked)
        raise MissingDependencyError(f"{variable}={asked!r} is not an executable file. {install}")
    for candidate in candidates:
        found = shutil.which(candidate)
        if found:
            return Path(found)
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    for path in sorted(cache.glob(playwright_pattern), reverse=True):
        if os.access(path, os.X_OK):
            return path
    return None


def browser_version(path: Path) -> str:
    """Return what the browser says of itself, as in ``Chromium 156.0.1.2``; else what went wrong when it was asked."""
    try:
        done = subprocess.run(  # noqa: S603 (the path is the user's own)
            [path, "--version"], capture_output=True, text=True, errors="replace", timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stdout.strip() or done.stderr.strip() or "nothing"


def sandboxed() -> bool:
    """Whether Chromium's own sandbox is on: for everybody but root."""
    return os.geteuid() != 0


@functools.cache  # once a process
def _say_that_the_sandbox_is_off() -> None:
    logger.warning("Chromium runs without its own sandbox, because this is root. Run as another user to have it.")


def start_chromium(path: Path, *, visible: bool = False) -> Chromium:
    """Start a browser behind a keeper: a headless shell, or a full one with windows."""
    to_browser_read, to_browser_write = os.pipe()
    from_browser_read, from_browser_write = os.pipe()
    flags = [*FLAGS, *(VISIBLE_FLAGS if visible else HEADLESS_FLAGS), *WALL_FLAGS, HEAP_FLAG]
    if not sandboxed():
        flags.append("--no-sandbox")
        _say_that_the_sandbox_is_off()
    # The browser reads commands from descriptor 3 and answers on 4; the shell puts the pipe there.
    shuffle = f'exec 3<&{to_browser_read} 4>&{from_browser_write}; exec "$@"'
    try:
        keeper = subprocess.Popen(  # noqa: S603 (fixed command)
            [
                "/bin/bash", "-c", shuffle, "keeper", sys.executable, "-I", "-S",
                str(Path(__file__).with_name("keeper.py")), str(os.getpid()), str(path), *flags,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(to_browser_read, from_browser_write),
            start_new_session=True,
            env={"XAUTHORITY": str(Path.home() / ".Xauthority"), **os.environ},  # the browser has another home
        )  # fmt: skip
    finally:
        os.close(to_browser_read)
        os.close(from_browser_write)
    return Chromium(
        keeper, from_browser_read, to_browser_write, Path(os.environ.get("TMPDIR") or tempfile.gettempdir())
    )
