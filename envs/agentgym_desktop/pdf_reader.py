"""The process that reads a PDF for `pdf`: the file on its input, a JSON object on its output.

Stand-alone: it imports nothing of the project. It gives up what it does not need before it looks at the file.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import warnings
from io import BytesIO

CPU_S = 4  # the signal that ends it then is not the one that a machine without memory sends
MEMORY = 1_500_000_000  # bytes of addresses
MAX_PAGES = 200
MAX_TEXT = 200_000  # characters of all pages


def main() -> None:
    """Read the file and say what is in it."""
    content = sys.stdin.buffer.read()
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    logging.disable()
    from pypdf import PdfReader

    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    answer: dict[str, object]
    try:
        answer = {"pages": pages(PdfReader(BytesIO(content)))}
    except Exception as error:  # noqa: BLE001 (a library raises anything for what is broken)
        answer = {"error": type(error).__name__}
    sys.stdout.write(json.dumps(answer))


def pages(reader: object) -> list[tuple[str, int, int]]:
    """Return text, width and height of the pages."""
    found: list[tuple[str, int, int]] = []
    left = MAX_TEXT
    for page in reader.pages[:MAX_PAGES]:  # type: ignore[attr-defined]
        text = page.extract_text()[:left]
        left -= len(text)
        width, height = round(float(page.mediabox.width)), round(float(page.mediabox.height))
        if page.rotation % 180:
            width, height = height, width
        found.append((text, width, height))
    return found


if __name__ == "__main__":
    main()
