"""Pictures: of a page, and of what stands above it: a dialog, painted where its elements are.

The browser draws no frame while a dialog stops its page, so the dialog is painted onto the newest screenshot.
"""

from __future__ import annotations

import base64
import functools
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from agentgym.observation import NOWHERE
from agentgym_browser.dialog import LINE_HEIGHT, MARGIN, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from agentgym.observation import Element
    from agentgym_browser.page import Page

FONT_SIZE = 12
INK, PAPER, GREY, BLUE = (32, 33, 36), (255, 255, 255), (218, 220, 224), (26, 115, 232)


def decode(picture: str) -> NDArray[np.uint8]:
    """Return a picture that the browser sent in base64, (height, width, 3) RGB."""
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        return np.asarray(image.convert("RGB"))


async def await_frame(page: Page, options: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
    """Wait for a frame of a browser that draws by itself; answer as ``HeadlessExperimental.beginFrame`` does."""
    await page.observer("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    if "screenshot" not in options:
        return {}
    picture = await page.call("Page.captureScreenshot", options["screenshot"], timeout_s=timeout_s)
    return {"screenshotData": picture["data"]}


def blank(viewport: tuple[int, int]) -> NDArray[np.uint8]:
    """Return an empty page of a size, (height, width, 3) RGB."""
    return np.full((viewport[1], viewport[0], 3), 255, np.uint8)


def paint(screenshot: NDArray[np.uint8], elements: Iterable[Element]) -> NDArray[np.uint8]:
    """Return a copy of a screenshot, (height, width, 3) RGB, with a window's elements painted on it."""
    image = Image.fromarray(screenshot.copy())
    draw = ImageDraw.Draw(image)
    for element in elements:
        if element.box != NOWHERE:
            _paint(draw, element)
    return np.asarray(image).copy()


def _paint(draw: ImageDraw.ImageDraw, element: Element) -> None:
    left, top, width, height = element.box
    frame = (left, top, left + width - 1, top + height - 1)
    if element.role == "dialog":
        draw.rectangle(frame, fill=PAPER, outline=INK)
        for number, line in enumerate(wrapped(element.name, width)):
            draw.text((left + MARGIN, top + MARGIN + number * LINE_HEIGHT), line, fill=INK, font=_font())
        return
    chosen = "selected" in element.states
    draw.rectangle(frame, fill=GREY if element.role == "button" else PAPER, outline=BLUE if chosen else INK)
    text = element.value if element.role == "textbox" else element.name
    inside = Image.new("L", (max(1, width - 4), max(1, height - 2)))
    ImageDraw.Draw(inside).text((2, 2), text, fill=255, font=_font())  # cut off at the edge of its box
    draw.bitmap((left + 2, top + 1), inside, fill=INK)


@functools.cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FONT_SIZE)
