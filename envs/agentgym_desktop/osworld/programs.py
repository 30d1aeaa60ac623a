"""Which of the desktop's apps stand for the programs of OSWorld's machine, and which commands can be run inside.

OSWorld's Ubuntu has GNOME's programs; here another app does the same work: mousepad for gedit, pcmanfm for nautilus,
xterm for GNOME's terminal, Chromium for Google Chrome.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from agentgym_desktop import apps
from agentgym_desktop.apps import App, Start
from agentgym_desktop.osworld.paths import CHROME
from agentgym_desktop.osworld.problems import Problem
from agentgym_desktop.rootfs import HOME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentgym_desktop.osworld.part import Command

_SLIDES = App(
    "presentation program", ("loimpress", *apps.CALC.argv[1:]), "libreoffice-impress libreoffice-gtk3", start_s=60.0
)
TERMINAL = App("terminal", ("xterm", "-T", "Terminal"), "xterm", accessible=False)
TERMINAL_LOG = "/tmp/.terminal-"  # noqa: S108 (inside the sandbox, whose /tmp is its own)


def _other(name: str, program: str, package: str) -> App:
    return App(name, (program,), package, start_s=60.0)


_PROGRAMS = {
    "chromium": apps.BROWSER, "chromium-browser": apps.BROWSER, "google-chrome": apps.BROWSER,
    "google-chrome-stable": apps.BROWSER, "nautilus": apps.FILES, "pcmanfm": apps.FILES, "gedit": apps.EDITOR,
    "gnome-text-editor": apps.EDITOR, "mousepad": apps.EDITOR, "gnome-terminal": TERMINAL, "xterm": TERMINAL,
    "x-terminal-emulator": TERMINAL, "evince": apps.PDF_VIEWER, "eog": apps.IMAGE_VIEWER,
    "gnome-calculator": apps.CALCULATOR, "galculator": apps.CALCULATOR, "localc": apps.CALC, "lowriter": apps.WRITER,
    "loimpress": _SLIDES, "vlc": _other("video player", "vlc", "vlc"),
    "gimp": _other("picture editor", "gimp", "gimp"),
    "thunderbird": _other("mail reader", "thunderbird", "thunderbird"),
    "code": _other("code editor", "code", "code"),
}  # fmt: skip
_OFFICE = {"--calc": apps.CALC, "--writer": apps.WRITER, "--impress": _SLIDES}
_OPENS = {
    **dict.fromkeys(("xlsx", "xls", "ods", "csv", "tsv"), apps.CALC),
    **dict.fromkeys(("docx", "doc", "odt", "rtf"), apps.WRITER),
    **dict.fromkeys(("pptx", "ppt", "odp"), _SLIDES),
    **dict.fromkeys(("txt", "json", "md", "py", "sh", "log", "xml", "yaml", "yml", "ini", "bib", "tex", "c", "cpp",
                     "java", "js", "css"), apps.EDITOR),
    **dict.fromkeys(("png", "jpg", "jpeg", "gif", "bmp", "webp"), apps.IMAGE_VIEWER),
    **dict.fromkeys(("html", "htm"), apps.BROWSER),
    **dict.fromkeys(("mp4", "mp3", "mkv", "avi"), _PROGRAMS["vlc"]),
    "pdf": apps.PDF_VIEWER,
}  # fmt: skip
RELATED = {
    "calc": apps.CALC, "libreoffice_calc": apps.CALC, "excel": apps.CALC, "libreoffice_writer": apps.WRITER,
    "writer": apps.WRITER, "word": apps.WRITER, "libreoffice_impress": _SLIDES, "impress": _SLIDES, "ppt": _SLIDES,
    "vlc": _PROGRAMS["vlc"], "gimp": _PROGRAMS["gimp"], "thunderbird": _PROGRAMS["thunderbird"],
    "vscode": _PROGRAMS["code"], "vs_code": _PROGRAMS["code"], "terminal": TERMINAL, "os": TERMINAL,
    "pdf": apps.PDF_VIEWER, "image": apps.IMAGE_VIEWER, "picard": _other("tagger", "picard", "picard"),
    "ubuntu_media_player": _other("media player", "totem", "totem"),
}  # fmt: skip
"""The apps of a task by what its ``related_apps`` may say; a browser is not among them, see `support`."""
AT_HAND = (TERMINAL, apps.CALC, apps.WRITER)
"""What is open in a task that uses it and does not open it itself: OSWorld's desktop has a dock to start it from."""

_SESSION_BUS = re.compile(r"^\s*export DBUS_SESSION_BUS_ADDRESS=\S+\s*(?:;|&&|\n)\s*")
_PYTHON = re.compile(r"(?m)(?:(?<=^)|(?<=[;&|(] )|(?<=[;&|(]))python(?=\s)")
_QUOTED = re.compile(r"""'[^']*'|"(?:[^"\\$`]|\\.)*\"""", re.DOTALL)
_WORDS = re.compile(
    r"(?:^|[;&|(\n`]|\bthen\b|\belse\b|\bdo\b)\s*(?:[A-Za-z_]\w*=[^\s$(;&|]*\s+)*"
    r"(?:timeout\s+\S+\s+|which\s+)?([A-Za-z][\w.+-]*)(?=\s|$|[;&|)])"
)
_BUILT_IN = frozenset({
    "alias", "bash", "break", "case", "cd", "do", "done", "echo", "elif", "else", "esac", "exit", "export", "false",
    "fi", "for", "function", "history", "if", "in", "local", "printf", "read", "return", "set", "sh", "shift", "source",
    "test", "then", "time", "true", "type", "unset", "until", "wait", "while",
})  # fmt: skip
_ROOT = frozenset({"sudo", "su", "apt", "apt-get", "snap", "dpkg", "useradd", "chown", "mount"})
_INTERNET = frozenset({"pip", "pip3", "curl", "wget", "conda"})
_SYSTEM = frozenset({"gsettings", "dconf", "timedatectl", "systemctl", "pactl", "pulseaudio", "wmctrl",
                     "gnome-shell", "update-desktop-database", "nmcli"})  # fmt: skip
END_BROWSER = ["pkill", "chromium"]
_GNOME_TERMINAL = "gnome-terminal-server"  # the process that judges end, so that its shells keep their history
_BRIDGES = frozenset({"socat"})  # of OSWorld's own, to reach into its browser


def is_bridge(argv: Sequence[str]) -> bool:
    """Return whether a program is started only so that OSWorld can reach an app from outside."""
    return argv[0] in _BRIDGES


def argv_of(command: Command, *, shell: bool) -> list[str]:
    """Return the command as a list of words; empty where it has none.

    Raises:
        ValueError: it has a quote without an end.
    """
    if shell:
        script, *rest = [command] if isinstance(command, str) else command
        script = _PYTHON.sub("python3", _SESSION_BUS.sub("", script))
        return ["/bin/sh", "-c", _translated(script), *rest]
    argv = shlex.split(command) if isinstance(command, str) else [*command]
    argv = [HOME + word[1:] if word.startswith("~/") else word for word in argv]
    if argv and argv[0] == "python":
        argv[0] = "python3"
    if argv == ["pkill", "chrome"]:
        return END_BROWSER
    return [_translated(word) for word in argv]


def _translated(text: str) -> str:
    return text.replace(_GNOME_TERMINAL, "xterm").replace(CHROME, ".config/chromium")


def shell_script(argv: Sequence[str]) -> str | None:
    """Return what a shell is to run, if that is what the command does."""
    return argv[2] if len(argv) >= 3 and argv[0].rsplit("/", 1)[-1] in ("sh", "bash") and argv[1] == "-c" else None


def start_of(argv: Sequence[str]) -> Start | None:
    """Return the app that a command starts; None where it starts none that has windows.

    Raises:
        ValueError: it has a quote without an end.
    """
    script = shell_script(argv)
    if script is not None:
        if re.search(r"[;&|<>`$\n]", script.strip()):
            return None
        argv = [word for word in shlex.split(script) if not re.match(r"[A-Z_]+=", word)]
    if not argv:
        return None
    program, *rest = argv
    name = PurePosixPath(program).name
    if name in ("libreoffice", "soffice"):
        app = next((_OFFICE[word] for word in rest if word in _OFFICE), None)
        return None if app is None else Start(app, tuple(word for word in rest if word not in _OFFICE))
    if name == "xdg-open" and len(rest) == 1:
        app = app_for(rest[0])
        return None if app is None else opening(app, *rest)
    app = _PROGRAMS.get(name)
    if app is None:
        return None
    if app is TERMINAL:
        return terminal(next((word.partition("=")[2] for word in rest if word.startswith("--working-dir")), HOME))
    if app is apps.BROWSER:
        rest = [word for word in rest if not word.startswith("--remote-debugging")]
    return opening(app, *rest)


def opening(app: App, *paths: str) -> Start:
    """Return the start of an app with files or folders, in a window of its own."""
    return app.with_(*(["--new-win"] if app is apps.FILES else []), *paths)


def terminal(folder: str = HOME, number: int = 1) -> Start:
    """Return the start of a terminal that keeps what it shows in a file, since nothing else tells it."""
    shell = f"cd {shlex.quote(folder)}; exec bash"
    return Start(TERMINAL, ("-e", "script", "-q", "-f", "-c", shell, f"{TERMINAL_LOG}{number}"))


def app_for(path: str) -> App | None:
    """Return the app that opens a file, by its name; that of folders where the name has no ending."""
    name = PurePosixPath(path)
    return apps.FILES if not name.suffix else _OPENS.get(name.suffix[1:].lower())


def problems_of(argv: Sequence[str]) -> Iterator[Problem]:
    """Yield why a command cannot be run inside."""
    script = shell_script(argv)
    if script is not None:
        words = _WORDS.findall(_QUOTED.sub("_", script))
    else:
        words = [PurePosixPath(word).name for word in (argv[1:] if argv[0] == "which" else argv[:1])]
    for word in dict.fromkeys(words):
        if word in _ROOT:
            yield Problem("root", word)
        elif word in _INTERNET:
            yield Problem("internet", word)
        elif word in _SYSTEM:
            yield Problem("system", word)
        elif word in _PROGRAMS:
            yield from missing(_PROGRAMS[word])
        elif word not in _BUILT_IN and not argv[0].startswith("./") and not shutil.which(word, path="/usr/bin:/bin"):
            yield Problem("program", word)


def missing(app: App) -> Iterator[Problem]:
    """Yield that an app is not installed, if it is not."""
    if shutil.which(app.argv[0]) is None:
        yield Problem("app", f"{app.argv[0]} ({app.name})")
