"""One desktop: a sandbox with its screen, its services and its apps; what an agent sees of it and does to it.

It is used for one episode, by one thread at a time. Everything that it shows comes from inside and is untrusted. A part
that fails (X server, window manager, sandbox) raises an `InfrastructureError`, and it is of no use any more; an app
that fails is the episode's own affair once it has started.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from agentgym.action import Done
from agentgym.errors import InfrastructureError, MissingDependencyError, SessionCrashedError, SessionTimeoutError
from agentgym.look import PICTURES, PLAIN
from agentgym.marks import draw_marks
from agentgym.observation import MAX_PROSE, MAX_TREE, Observation
from agentgym_desktop import services
from agentgym_desktop.accessibility import Accessibility, Limits, Reading
from agentgym_desktop.clipboard import Clipboard
from agentgym_desktop.inputs import Inputs, Spot
from agentgym_desktop.roles import READ
from agentgym_desktop.rootfs import HOME
from agentgym_desktop.sandbox import Sandbox
from agentgym_desktop.settings import ENVIRONMENT
from agentgym_desktop.settle import Patience, Settling
from agentgym_desktop.walls import SandboxSpec
from agentgym_desktop.windows import Window, Windows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    import numpy as np
    from numpy.typing import NDArray

    from agentgym.action import Action
    from agentgym.look import Look
    from agentgym.observation import Element
    from agentgym_desktop.applied import Applied
    from agentgym_desktop.apps import App, Start
    from agentgym_desktop.held import SandboxStart
    from agentgym_desktop.services import Services
    from agentgym_desktop.task import Setup

SPEC = SandboxSpec(environment=ENVIRONMENT)  # a desktop's sandbox has at least these variables
OPENED_S = 5.0  # how long a window that has just opened may go on drawing itself
LISTED = frozenset({"option", "menuitem", "treeitem", "radio", "tab", "gridcell", "row", "text"})


class Desktop:
    """A running desktop; get one from `start`.

    Attributes:
        sandbox: where it runs.
        size: width and height of its screen in pixels.
        clipboard: of its apps.
    """

    def __init__(self, sandbox: Sandbox, running: Services) -> None:
        self.sandbox = sandbox
        self.size = running.display.size
        self.clipboard = Clipboard(running.display)
        self._services = running
        self._windows = Windows(running.display)
        self._settling = Settling(running.display)
        self._inputs = Inputs(running.display, self._settling, self._windows, self.clipboard)
        self._accessibility = Accessibility(sandbox.connect, ENVIRONMENT["AT_SPI_BUS_ADDRESS"], screen=self.size)
        self._spots: dict[int, Spot] = {}  # of the newest observation

    @classmethod
    def start(
        cls,
        *,
        size: tuple[int, int] = (1280, 720),
        apps: Sequence[App] = (),
        spec: SandboxSpec = SPEC,
        start: SandboxStart = Sandbox.start,
    ) -> Desktop:
        """Start a desktop with apps, one after the other, and wait until it can be used.

        Args:
            size: width and height of the screen in pixels.
            apps: what is open on it.
            spec: its sandbox; its variables are those of `SPEC`.
            start: starts that.

        Raises:
            MissingDependencyError: something is not installed, or the machine permits no namespaces.
            InfrastructureError: it did not start.
        """
        for app in apps:
            _check(app, spec)
        sandbox = start(spec)
        with contextlib.ExitStack() as undo:
            undo.callback(sandbox.close)
            running = services.start(sandbox, size)
            undo.callback(running.close)
            desktop = cls(sandbox, running)
            undo.callback(desktop.close)
            for app in apps:
                desktop.open(app.with_())
            desktop.rest()
            undo.pop_all()
        return desktop

    def __repr__(self) -> str:
        return f"Desktop(size={self.size}, {self.sandbox!r})"

    @property
    def alive(self) -> bool:
        """Whether it can still be used."""
        try:
            self._services.check()
        except InfrastructureError:
            return False
        return self.sandbox.alive

    @property
    def applied(self) -> Applied:
        """Which walls and limits it has."""
        return self.sandbox.applied

    @property
    def elements(self) -> tuple[Element, ...]:
        """What its apps show now.

        Raises:
            InfrastructureError: the desktop failed.
        """
        return self._read(PLAIN).elements

    @property
    def windows(self) -> tuple[Window, ...]:
        """Its windows, the topmost last.

        Raises:
            InfrastructureError: the desktop failed.
        """
        return self._windows.list()

    def prepare(self, setup: Setup) -> None:
        """Bring it to where an episode starts: its files, and what is opened then.

        Raises:
            InfrastructureError: an app did not start, or the desktop failed.
            OSError: a file cannot be written: the home folder is full.
        """
        self.put(setup.files)
        for start in setup.opens:
            self.open(start)
        if setup.arrange is not None:
            setup.arrange(self)
        if setup.files or setup.opens or setup.arrange:  # a file manager shows new files by itself
            self.rest()

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write files, by their path relative to the home folder."""
        for path, content in files.items():
            self.sandbox.write(f"{HOME}/{path}", content)

    def open(self, start: Start) -> None:
        """Start an app, and wait until a new window of it shows what it holds.

        Raises:
            MissingDependencyError: it is not installed.
            SessionCrashedError: it ended; the error has what it wrote. Or there is no process left to start it.
            SessionTimeoutError: its window does not come, or says nothing of what it holds.
        """
        _check(start.app, self.sandbox.spec)
        windows = {window.id for window in self._windows.list()}
        shown = {each.id for each in self._read(PLAIN).elements}
        try:
            child = self.sandbox.spawn(start.argv, env=ENVIRONMENT)
        except FileNotFoundError as error:  # in an image; elsewhere that was found out before
            raise MissingDependencyError(
                f"The desktop's {start.app.name} needs the program {start.argv[0]!r}, which is not in the image; build "
                f"the image anew with the packages {start.app.package}."
            ) from error
        except OSError as error:
            raise SessionCrashedError(f"The {start.app.name} could not be started: {error}.") from error
        failed = False

        def there(now: tuple[Window, ...]) -> bool:
            nonlocal failed
            failed = bool(child.poll())  # one that ends without an error has handed over to another process
            return failed or any(window.id not in windows for window in now)

        there_in_time = self._windows.wait(there, start.app.start_s)
        if failed or not there_in_time:
            wrote = child.log().decode(errors="replace")[-400:].strip() or "nothing"
            if failed:
                raise SessionCrashedError(
                    f"The {start.app.name} ended with status {child.poll()} as it was started "
                    f"({' '.join(start.argv)}); it wrote: {wrote}"
                )
            raise SessionTimeoutError(
                f"The {start.app.name} has no window {start.app.start_s:g} s after it was started "
                f"({' '.join(start.argv)}); it wrote: {wrote}"
            )
        self._settling.settle(bound_s=OPENED_S)
        if start.app.accessible:
            self._await_elements(start.app, shown)

    def focus(self, window: int) -> bool:
        """Bring a window to the front, by its id; False where it did not take the focus."""
        return self._windows.focus(window)

    def shut(self, window: int) -> bool:
        """Close a window as its button does, by its id; False where it stays, for example because it asks something."""
        return self._windows.close(window)

    def settle(self) -> None:
        """Wait until nothing moves, for some seconds at most."""
        self._settling.settle(bound_s=OPENED_S)

    def rest(self) -> None:
        """Wait until nothing moves, and let an episode begin here."""
        self._settling.settle(bound_s=OPENED_S)
        self._read(PLAIN)  # so that the first observation has little to ask for
        self._accessibility.start_episode()

    def look(self, look: Look, instruction: str, *, error: str = "") -> Observation:
        """Return what is to be seen.

        Args:
            look: what is wanted.
            instruction: what the agent is to do.
            error: what was wrong with its last action.

        Raises:
            InfrastructureError: the desktop failed.
        """
        self._services.check()
        windows = self._windows.list()
        picture = self.screenshot() if look.parts & PICTURES else None
        reading = Reading()
        if look.parts - {"screenshot"}:
            reading = self._accessibility.read(windows, limits=Limits(budget=look.budget))
        self._spots = {each.id: self._spot(each) for each in reading.elements}
        marks = None
        if picture is not None and "marks" in look.parts:
            marks = draw_marks(picture, [each for each in reading.elements if each.role not in READ])
        return Observation(
            instruction,
            elements=reading.elements if "elements" in look.parts else (),
            title=next((window.title for window in windows if window.active), ""),
            error=" ".join(filter(None, (error, *reading.problems)))[:MAX_PROSE],
            screenshot=picture if "screenshot" in look.parts else None,
            marks=marks,
            tree=reading.tree[:MAX_TREE] if "tree" in look.parts else None,
            omitted=reading.omitted,
        )

    def screenshot(self) -> NDArray[np.uint8]:
        """Return what is on the screen, the pointer included: (height, width, 3) RGB.

        Raises:
            InfrastructureError: the desktop failed.
        """
        return self._services.display.screenshot()

    def act(self, action: Action) -> str:
        """Carry out an action, and wait until the screen is quiet; return what was wrong with it.

        Raises:
            InfrastructureError: the desktop failed.
        """
        self._services.check()
        error = self._inputs.perform(action, self._spots, option=self._option)
        if isinstance(action, Done):  # what was done last, such as saving a file, is to be finished by then
            self._settling.finish(bound_s=OPENED_S)
        else:
            self._settling.settle()
        return error

    def close(self) -> None:
        """End it, whatever it is doing; may be called twice, and from any thread."""
        self.sandbox.close()
        self._accessibility.close()
        self._services.close()

    def _read(self, look: Look) -> Reading:
        return self._accessibility.read(self._windows.list(), limits=Limits(budget=look.budget))

    def _await_elements(self, app: App, before: Set[int]) -> None:
        """Wait until an app that has opened tells all of its elements; some have a window long before they do.

        Args:
            app: which.
            before: the ids of the elements that there were; the new window may cover some of them.

        Raises:
            SessionTimeoutError: something on the desktop does not answer.
        """
        silent_until = time.monotonic() + app.start_s
        deadline = time.monotonic() + OPENED_S
        told = -1
        problems: tuple[str, ...] = ()
        while time.monotonic() < (silent_until if told < 0 else deadline):
            reading = self._read(PLAIN)
            count = sum(each.id not in before for each in reading.elements)
            problems = reading.problems
            if problems:  # it is busy with its start
                told, deadline = -1, time.monotonic() + OPENED_S
            elif count > 1 and count == told:  # more than the window itself
                return
            else:
                told = count
            self._settling.settle(Patience(0.03, 0.1))
        if told < 0:
            raise SessionTimeoutError(
                f"The {app.name} does not say what it shows {app.start_s:g} s after its window has come: "
                f"{' '.join(problems)}"
            )

    def _option(self, element: int, label: str) -> Spot | None:
        """Return where an option is on the screen as it is now: one below its list rather than another."""
        shown = self._read(PLAIN).elements
        at = next((place for place, each in enumerate(shown) if each.id == element), 0)
        found = [each for each in shown if each.role in LISTED and each.name == label and each.id != element]
        inside = [each for each in found if shown.index(each) > at]
        return self._spot((inside or found)[0]) if found else None

    def _spot(self, element: Element) -> Spot:
        """Return the middle of what is on screen of an element."""
        box, (width, height) = element.box, self.size
        left, right = max(0, box.x), min(width, box.x + box.width)
        top, bottom = max(0, box.y), min(height, box.y + box.height)
        return Spot((left + right) // 2, (top + bottom) // 2, element.role, element.states)


def _check(app: App, spec: SandboxSpec) -> None:
    """Check that an app is installed; what is in an image shows when it is started."""
    if spec.image is None:
        app.check(spec.root)
