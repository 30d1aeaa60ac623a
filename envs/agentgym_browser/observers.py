"""The observers of a page: the one of its own document, and those of its frames, asked as if they were one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentgym.errors import ActionError
from agentgym_browser.page import PAGE_TIMEOUT_S

if TYPE_CHECKING:
    from agentgym_browser.page import Page


async def ask(page: Page, element: int, function: str, *arguments: str) -> dict[str, Any]:
    """Ask the observer of an element's document about it; points are those of the page's viewport."""
    call = f"agentgym.{function}({', '.join(json.dumps(each) for each in (element, *arguments))})"
    frame = page.frames.owner(element)
    answer: dict[str, Any] = await (page.observer(call) if frame is None else page.frames.ask(frame, call))
    return answer if frame is None or "x" not in answer else await page.frames.to_page(frame, answer)


async def handle(page: Page, element: int) -> str:
    """Return the DevTools object of an element.

    Raises:
        ActionError: the element is gone.
    """
    frame = page.frames.owner(element)
    context = page.context if frame is None else page.frames.observer(frame)
    asked = {"expression": f"agentgym.node({element})", "contextId": context}
    answer = await page.call("Runtime.evaluate", asked, timeout_s=PAGE_TIMEOUT_S)
    if "objectId" not in answer["result"]:  # null
        raise ActionError(f"[{element}] is not on screen.")
    return str(answer["result"]["objectId"])


async def finish_animations(page: Page) -> None:
    """Bring what moves to its end, so that the frame that is drawn next shows no page in motion."""
    await page.observer("agentgym.finishAnimations()")
    for frame in page.frames:
        await page.frames.ask(frame, "agentgym.finishAnimations()")


async def kept_key(page: Page) -> bool:
    """Whether the document that had the last key kept it to itself (``preventDefault``)."""
    kept = [await page.observer("agentgym.keptKey()")]
    kept += [await page.frames.ask(frame, "agentgym.keptKey()") for frame in page.frames]
    return True in kept


async def number_anew(page: Page) -> None:
    """Let the ids of elements begin anew."""
    await page.observer("agentgym.reset()")
    page.frames.disown()
    for frame in page.frames:
        await page.frames.ask(frame, "agentgym.reset()")
