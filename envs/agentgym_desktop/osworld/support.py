"""What of a task can be played here, and what keeps it from being played."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym_desktop.apps import BROWSER, FILES, Start
from agentgym_desktop.osworld import programs
from agentgym_desktop.osworld.getter import (
    CacheFile,
    CloudFile,
    CommandOutput,
    ContentFromVmFile,
    OtherGetter,
    ProfileGetter,
    VmFile,
)
from agentgym_desktop.osworld.metrics import METRICS
from agentgym_desktop.osworld.paths import inside, writable
from agentgym_desktop.osworld.problems import Problem
from agentgym_desktop.osworld.scripts import SCREEN, UnreadableScriptError, filled, is_script, moves_of
from agentgym_desktop.osworld.step import Download, Execute, Launch, Open, OtherStep, Tabs, Upload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym_desktop.apps import App
    from agentgym_desktop.osworld.downloads import Downloads
    from agentgym_desktop.osworld.getter import Getter
    from agentgym_desktop.osworld.part import Command
    from agentgym_desktop.osworld.schema import Check, Evaluator, TaskFile
    from agentgym_desktop.osworld.step import Step

_BROWSERS = frozenset({"chrome", "browser", "google_chrome", "chromium"})
_LOGINS = frozenset({"googledrive", "login"})
_PASSWORD = "{CLIENT_PASSWORD}"  # noqa: S105 (a placeholder of OSWorld's)


def problems_of(file: TaskFile, downloads: Downloads) -> tuple[Problem, ...]:
    """Return what keeps a task from being played, each once; nothing where it can be played."""
    found = [*_apps(file)]
    for step in [*file.config, *file.evaluator.postconfig]:
        found += _step(step, downloads)
    if not file.evaluator.infeasible:
        for check in file.evaluator.checks:
            found += _check(check, file.evaluator, downloads)
    return tuple(dict.fromkeys(found))


def apps_to_open(file: TaskFile) -> list[Start]:
    """Return what is open because a task uses it, though none of its steps opens it."""
    wanted = [programs.RELATED[name] for name in _related(file) if name in programs.RELATED]
    opened = [app for step in file.config for app in _opened(step)]
    if not wanted and not opened and not _uses_browser(file):
        return [FILES.with_(), programs.terminal()]
    missing = [app for app in dict.fromkeys(wanted) if app in programs.AT_HAND and app not in opened]
    return [programs.terminal() if app is programs.TERMINAL else app.with_() for app in missing]


def _related(file: TaskFile) -> list[str]:
    return [name.strip().lower().replace(" ", "_") for name in file.related_apps]


def _apps(file: TaskFile) -> Iterator[Problem]:
    if _uses_browser(file) and not (_opens_page(file) or _is_about_settings(file)):
        yield Problem(
            "internet", "the browser"
        )  # OSWorld's tasks with it, but a few about its settings, are about sites
    for name in _related(file):
        if name in programs.RELATED:
            yield from programs.missing(programs.RELATED[name])
    if file.proxy:
        yield Problem("internet", "a proxy")


def _uses_browser(file: TaskFile) -> bool:
    return bool(_BROWSERS & set(_related(file)))


def _opens_page(file: TaskFile) -> bool:
    """Return whether a step opens a page that is a file; what else it opens is told by `_step`."""
    opened = [step for step in file.config if isinstance(step, Open)]
    pages = any(programs.app_for(step.parameters.path) is BROWSER for step in opened)
    return pages or any(isinstance(step, Tabs) for step in file.config)


def _is_about_settings(file: TaskFile) -> bool:
    """Return whether all that is judged is in the browser's profile."""
    results = [check.result for check in file.evaluator.checks]
    return all(isinstance(result, ProfileGetter) for result in results)


def _step(step: Step, downloads: Downloads) -> Iterator[Problem]:
    match step:
        case Download() | Upload():
            for file in step.parameters.files:
                yield from _put(file.path, file.address, downloads)
        case Open():
            app = programs.app_for(step.parameters.path)
            if app is None:
                yield Problem("step", f"open a file like *.{step.parameters.path.rpartition('.')[2][:20]}")
            else:
                yield from programs.missing(app)
        case Launch() | Execute():
            yield from _command(step.parameters.command, shell=step.parameters.shell)
        case Tabs():
            if not all(url.startswith("file://") for url in step.parameters.urls_to_open):
                yield Problem("internet", "pages in the browser")
            yield from programs.missing(BROWSER)
        case OtherStep(type=kind) if kind in _LOGINS:
            yield Problem("login", kind)
        case OtherStep():
            yield Problem("step", step.type)


def _put(path: str, address: str, downloads: Downloads) -> Iterator[Problem]:
    if not writable(path):
        yield Problem("step", f"a file at {inside(path)[:80]}")
    if downloads.lacks(address):
        yield Problem("file", address)


def _command(command: Command, *, shell: bool) -> Iterator[Problem]:
    words = [command] if isinstance(command, str) else command
    if any(_PASSWORD in word for word in words):
        yield Problem("root", "sudo")
    try:
        argv = programs.argv_of(filled(command, SCREEN) if isinstance(command, str) else command, shell=shell)
        start = programs.start_of(argv)
    except ValueError:
        yield Problem("step", "a command with a quote that does not end")
        return
    if not argv or not argv[0]:
        yield Problem("step", "an empty command")
    elif is_script(argv):
        try:
            moves_of(argv[2], SCREEN)
        except UnreadableScriptError as error:
            yield Problem("step", f"a script: {error}"[:120])
    elif start is not None:
        yield from programs.missing(start.app)
    elif not programs.is_bridge(argv):
        yield from programs.problems_of(argv)


def _opened(step: Step) -> Iterator[App]:
    match step:
        case Open():
            app = programs.app_for(step.parameters.path)
            if app is not None:
                yield app
        case Launch() | Execute():
            command, shell = step.parameters.command, step.parameters.shell
            argv = programs.argv_of(command, shell=shell)
            if is_script(argv):
                if "terminal" in moves_of(argv[2], SCREEN):
                    yield programs.TERMINAL
                return
            start = programs.start_of(argv)
            if start is not None:
                yield start.app


def _check(check: Check, evaluator: Evaluator, downloads: Downloads) -> Iterator[Problem]:
    metric = METRICS.get(check.func)
    if metric is None:
        yield Problem("metric", check.func)
    else:
        for name in check.options.keys() - metric.options:
            if not name.startswith("_"):  # OSWorld's way to write a note
                yield Problem("metric", f"{check.func} with {name[:40]}")
        yield from (Problem("metric", f"{check.func}: {gap}") for gap in metric.gaps(check))
    for getter in (check.result, check.expected):
        yield from _getter(getter, evaluator, downloads)


def _getter(getter: Getter | None, evaluator: Evaluator, downloads: Downloads) -> Iterator[Problem]:
    match getter:
        case CloudFile():
            for address, _name in getter.pairs:
                if downloads.lacks(address):
                    yield Problem("file", address)
        case VmFile(time_suffix=True):
            yield Problem("getter", "vm_file with time_suffix")
        case CommandOutput():
            yield from _command(getter.command, shell=getter.shell)
        case ContentFromVmFile() if (getter.file_type, getter.file_content) != ("xlsx", "last_row"):
            yield Problem("getter", f"{getter.file_content[:40]} of a {getter.file_type[:40]}")
        case CacheFile() if getter.path not in _kept(evaluator):
            yield Problem("getter", f"cache_file {getter.path[:40]}, which nothing writes")
        case OtherGetter():
            yield Problem("getter", getter.type)


def _kept(evaluator: Evaluator) -> set[str]:
    kept: set[str] = set()
    for step in evaluator.postconfig:
        if isinstance(step, Execute):
            kept |= {step.parameters.stdout, step.parameters.stderr}
    for check in evaluator.checks:
        for getter in (check.result, check.expected):
            if isinstance(getter, VmFile | CloudFile):
                kept |= {name for _path, name in getter.pairs}
    return kept
