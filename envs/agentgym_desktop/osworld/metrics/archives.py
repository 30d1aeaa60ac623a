"""What is in archives, and in documents that are archives: read within bounds, in memory, and nowhere else.

Nothing is unpacked into a folder, so no name leads anywhere; links and devices in an archive are left out.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from agentgym_desktop.osworld.metrics.registry import UnreadableError

if TYPE_CHECKING:
    from agentgym_desktop.osworld.files import File

MAX_UNPACKED = 150_000_000  # bytes of all members
MAX_MEMBERS = 5_000
_DECLARATIONS = tuple(
    mark.encode(coding) for mark in ("<!DOCTYPE", "<!ENTITY") for coding in ("ascii", "utf-16-le", "utf-16-be")
)


def members_of(file: File) -> dict[str, bytes]:
    """Return the files in a zip or tar archive, by name.

    Raises:
        UnreadableError: it is none, or too big.
    """
    try:
        return _of_zip(file) if zipfile.is_zipfile(io.BytesIO(file.content)) else _of_tar(file)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RuntimeError,
            NotImplementedError) as error:  # fmt: skip
        raise UnreadableError.of(file, f"no archive: {error}") from error


def checked_document(file: File) -> io.BytesIO:
    """Return a document that is a zip archive of XML, for a library to read.

    Raises:
        UnreadableError: it is none, too big when unpacked, or declares entities in its XML.
    """
    if not zipfile.is_zipfile(io.BytesIO(file.content)):
        raise UnreadableError.of(file, "it is no document of its format")
    for name, content in members_of(file).items():
        if name.endswith((".xml", ".rels", ".vml")):
            _refuse_declarations(file, content)
    return io.BytesIO(file.content)


def parse_xml(file: File, content: bytes) -> Any:
    """Return the root element of XML that declares no entities.

    Raises:
        UnreadableError: it is none.
    """
    from lxml import etree

    _refuse_declarations(file, content)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableError.of(file, f"no XML: {error}") from error


def _refuse_declarations(file: File, content: bytes) -> None:
    if any(mark in content for mark in _DECLARATIONS):
        raise UnreadableError.of(file, "its XML has declarations of its own")


def _of_zip(file: File) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        _refuse_big(file, len(infos), sum(info.file_size for info in infos))
        return {info.filename: archive.read(info) for info in infos}  # reads no more than it says of its size


def _of_tar(file: File) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    size = 0
    with tarfile.open(fileobj=io.BytesIO(file.content)) as archive:
        for count, member in enumerate(archive):
            size += member.size
            _refuse_big(file, count, size)
            data = archive.extractfile(member) if member.isfile() else None
            if data is not None:
                found[member.name.removeprefix("./")] = data.read(member.size)
    return found


def _refuse_big(file: File, members: int, size: int) -> None:
    if members > MAX_MEMBERS or size > MAX_UNPACKED:
        raise UnreadableError.of(file, f"it has {members:,} members of {size:,} bytes, more than are unpacked")
