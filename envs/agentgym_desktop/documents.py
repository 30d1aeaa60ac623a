"""Documents that an agent has left, read for a judge: tables as text, pictures, and what all formats share.

Files come from the sandbox and may be anything: a forged, broken, huge or hostile one is *no document*, with the
reason, and never an exception; only a machine that cannot read one raises (see `pdf`). Sizes, counts and time are
bounded, nothing in a file is executed, and no address in it is followed. OpenDocument files are in `opendocument`, PDF
in `pdf`.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from PIL import Image

MAX_FILE = 16_000_000  # bytes
MAX_ROWS = 20_000  # of a table
MAX_CELLS = 100_000  # of a table
MAX_PIXELS = 4_000_000  # of a picture
PICTURES = ("PNG", "JPEG")

Document = TypeVar("Document")


class Read(NamedTuple, Generic[Document]):
    """What came of reading a file."""

    document: Document | None
    """None where it is no such document."""
    reason: str = ""
    """Why it is none."""


class RefusedError(ValueError):
    """A file is no document of its format, or one that is not read; caught where reading begins."""


@dataclass(frozen=True)
class Table:
    """A table of texts."""

    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> tuple[str, ...]:
        """Return what is below a heading, row by row; empty where there is no such heading."""
        if not self.rows or name not in self.rows[0]:
            return ()
        at = self.rows[0].index(name)
        return tuple(row[at] if at < len(row) else "" for row in self.rows[1:])


@dataclass(frozen=True)
class Picture:
    """A picture."""

    format: str
    """Of `PICTURES`."""
    size: tuple[int, int]
    """Width and height in pixels."""
    pixels: bytes = field(repr=False)
    """RGB, three bytes a pixel, row by row from the upper left corner."""

    def at(self, x: int, y: int) -> tuple[int, int, int]:
        """Return the colour of a pixel."""
        start = 3 * (y * self.size[0] + x)
        red, green, blue = self.pixels[start : start + 3]
        return red, green, blue


def within_size(content: bytes | None) -> bytes:
    """Return a file's content.

    Raises:
        RefusedError: there is no such file, or it is empty or too big.
    """
    if content is None:
        raise RefusedError("there is no such file")
    if not content:
        raise RefusedError("the file is empty")
    if len(content) > MAX_FILE:
        raise RefusedError(f"the file has more than {MAX_FILE} bytes")
    return content


def read_csv(content: bytes | None, *, delimiter: str = ",") -> Read[Table]:
    """Read a table of comma-separated values in UTF-8.

    Args:
        content: of the file; None where there is none.
        delimiter: what stands between values.
    """
    try:
        text = within_size(content).decode("utf-8-sig")
        if "\0" in text:
            raise RefusedError("the file is not text")  # noqa: TRY301 (one handler makes reasons of them all)
        rows: list[tuple[str, ...]] = []
        cells = 0
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            cells += len(row)
            if len(rows) >= MAX_ROWS or cells > MAX_CELLS:
                raise RefusedError("the table has too many cells")  # noqa: TRY301 (as above)
            rows.append(tuple(row))
    except UnicodeDecodeError:
        return Read(None, "the file is not text in UTF-8")
    except (RefusedError, csv.Error) as error:
        return Read(None, str(error))
    return Read(Table(tuple(rows)))


def read_picture(content: bytes | None) -> Read[Picture]:
    """Read a picture of a format of `PICTURES`."""
    too_big = f"the picture has more than {MAX_PIXELS} pixels"
    try:
        with Image.open(io.BytesIO(within_size(content)), formats=PICTURES) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                return Read(None, too_big)
            return Read(Picture(str(image.format), (width, height), image.convert("RGB").tobytes()))
    except RefusedError as error:
        return Read(None, str(error))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Read(None, too_big)
    except Exception as error:  # noqa: BLE001 (decoders raise anything for what is broken)
        return Read(None, f"the file is no picture that can be read: {type(error).__name__}")
