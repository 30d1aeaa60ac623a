"""The files that OSWorld downloads for its tasks, as they lie in a folder of yours: nothing is ever fetched.

A file is looked for by its address. First a ``manifest.json`` in the folder says where it is (``{address: path}``);
else the end of the address does, as much of it as there is: of ``https://host/x/libreoffice_calc/0a1b/Book.xlsx`` that
is ``x/libreoffice_calc/0a1b/Book.xlsx``, ``libreoffice_calc/0a1b/Book.xlsx``, ``0a1b/Book.xlsx`` and ``Book.xlsx``, in
this order. So a copy of the file store of OSWorld works as it is, and so does a flat folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from agentgym.errors import ConfigError
from agentgym_desktop.osworld.schema import load_json

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "manifest.json"
MAX_DOWNLOAD = 64_000_000  # bytes; a desktop's home folder is not much bigger


class Downloads:
    """Files at hand.

    Args:
        folder: where they are; None where there are none.

    Raises:
        ConfigError: there is no such folder, or its manifest is wrong.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder.resolve()
        self._listed: dict[str, Path] = {}
        if self._folder is None:
            return
        if not self._folder.is_dir():
            raise ConfigError(f"files={str(folder)!r} is no folder: give the one that has OSWorld's downloaded files")
        manifest = self._folder / MANIFEST
        if manifest.is_file():
            self._listed = _manifest(manifest, self._folder)

    def find(self, address: str) -> Path | None:
        """Return where the file of an address is; None where it is not at hand."""
        if self._folder is None:
            return None
        if address in self._listed:
            found = self._listed[address]
            return found if found.is_file() else None
        try:
            parts = [unquote(part) for part in urlsplit(address).path.split("/") if part]
        except ValueError:
            return None
        if any(part in (".", "..") or "/" in part or "\0" in part for part in parts):
            return None
        for start in range(len(parts)):
            path = self._folder.joinpath(*parts[start:])
            try:
                if path.is_file() and path.resolve().is_relative_to(self._folder):
                    return path
            except OSError:  # a name that is too long for a file
                continue
        return None

    def lacks(self, address: str) -> str:
        """Return what is wrong with the file of an address; empty where it can be read."""
        path = self.find(address)
        if path is None:
            return f"{address} is not in {self._folder}" if self._folder else f"{address}: no folder of files was given"
        size = path.stat().st_size
        if size > MAX_DOWNLOAD:
            return f"{path} has {size:,} bytes, more than the {MAX_DOWNLOAD:,} that a desktop takes"
        return ""

    def read(self, address: str) -> bytes:
        """Return the content of a file.

        Raises:
            ConfigError: it is not at hand, or too big.
        """
        path, wrong = self.find(address), self.lacks(address)
        if path is None or wrong:
            raise ConfigError(f"A task's file cannot be read: {wrong}")
        return path.read_bytes()


def _manifest(path: Path, folder: Path) -> dict[str, Path]:
    raw = load_json(path.read_bytes(), str(path))
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: a manifest is an object of paths by address, got a {type(raw).__name__}")
    listed = {}
    for address, name in raw.items():
        if not isinstance(name, str) or not (folder / name).resolve().is_relative_to(folder):
            raise ConfigError(f"{path}: {address}: wanted a path inside the folder, got {name!r}")
        listed[address] = folder / name
    return listed
