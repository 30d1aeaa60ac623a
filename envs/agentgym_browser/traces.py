"""What episodes have left in a browser context: the check behind `BrowserTask.stores_nothing`.

A task that says so shares its context between episodes, which saves most of a reset. Whether it is true is looked at
before each further episode, in 1 to 3 ms where a new context costs 60 or more: a page that does leave something gets
the next episode a new context, as if its task had not said so.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from agentgym.errors import InfrastructureError

if TYPE_CHECKING:
    from agentgym_browser.page import Page

CLEAN = """(async () => {
  if (document.cookie || localStorage.length || sessionStorage.length || name) return false;
  const lists = await Promise.all([indexedDB.databases(), caches.keys(), navigator.storageBuckets.keys(),
    navigator.serviceWorker.getRegistrations()]);
  for await (const file of (await navigator.storage.getDirectory()).keys()) lists.push([file]);
  return lists.every((list) => !list.length);
})()"""


async def leaves_traces(page: Page) -> bool:
    """Whether a page's context may hold cookies, storage, files or a window's name.

    True also where that cannot be told: cookies are looked for on all origins, the rest on the open document's alone.
    """
    if page.site.several:
        return True
    try:
        clean, cookies = await asyncio.gather(page.observer(CLEAN), _cookies(page))
    except InfrastructureError:  # it hangs, or its document has no storage that could be looked at
        return True
    return clean is not True or bool(cookies)


async def _cookies(page: Page) -> list[dict[str, Any]]:
    """Return the cookies of a page's context, of all origins."""
    answer = await page.connection.call("Storage.getCookies", {"browserContextId": page.context_id})
    return list(answer["cookies"])
