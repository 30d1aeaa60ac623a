"""The bridge lets Playwright in and nobody else, and shows it one page."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from agentgym_browser.bridge import Bridge
from agentgym_browser.world import BrowserWorld
from tests.browser_page import PageTask, open_page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from websockets.asyncio.client import ClientConnection


@pytest.fixture(scope="module")
def world() -> Iterator[BrowserWorld]:
    with BrowserWorld(num_slots=2) as world:
        for slot in (0, 1):
            open_page(world, PageTask(f"<p>slot {slot}</p>"), slot=slot)
        yield world


def with_bridge(world: BrowserWorld, use: Callable[[str], Awaitable[Any]]) -> Any:
    """Open a bridge to slot 0 and use its address."""

    async def run() -> Any:
        page = world._sessions[0].page
        assert page is not None
        bridge = Bridge(page)
        endpoint = await bridge.open()
        try:
            return await use(endpoint)
        finally:
            await bridge.close()

    return world._run(run())


async def ask(client: ClientConnection, method: str, **message: Any) -> dict[str, Any]:
    """Send a command; return its answer, past the events before it."""
    await client.send(json.dumps({"id": 1, "method": method, **message}))
    while True:
        answer: dict[str, Any] = json.loads(await client.recv())
        if answer.get("id") == 1:
            return answer


async def refusal(endpoint: str, **options: Any) -> int:
    with pytest.raises(InvalidStatus) as refused:
        await connect(endpoint, **options)
    return refused.value.response.status_code


def test_only_who_knows_the_path_gets_in(world: BrowserWorld) -> None:
    async def guess(endpoint: str) -> list[int]:
        place, _, path = endpoint.rpartition("/")
        assert len(path) >= 40
        return [await refusal(f"{place}/{guessed}") for guessed in ("", "json/version", path[:-1], path + "x")]

    assert with_bridge(world, guess) == [404, 404, 404, 404]


def test_a_page_does_not_get_in_even_with_the_path(world: BrowserWorld) -> None:
    async def as_a_page(endpoint: str) -> tuple[int, int]:
        return await refusal(endpoint, origin="https://task.invalid"), await refusal(endpoint, origin="null")

    assert with_bridge(world, as_a_page) == (403, 403)


def test_one_client_gets_in_and_none_after_it(world: BrowserWorld) -> None:
    async def twice(endpoint: str) -> int:
        async with connect(endpoint):
            return await refusal(endpoint)

    assert with_bridge(world, twice) == 404


def test_a_closed_bridge_does_not_listen(world: BrowserWorld) -> None:
    async def keep(endpoint: str) -> str:
        return endpoint

    endpoint = with_bridge(world, keep)

    async def late() -> None:
        with pytest.raises(OSError, match="Connect call failed"):
            await connect(endpoint)

    asyncio.run(late())


def test_the_browser_is_its_own_page_alone(world: BrowserWorld) -> None:
    other = world._sessions[1].page
    assert other is not None

    async def look_around(endpoint: str) -> list[dict[str, Any]]:
        async with connect(endpoint) as client:
            await client.send(json.dumps({"id": 2, "method": "Target.setAutoAttach", "params": {"autoAttach": True}}))
            attached = json.loads(await client.recv())
            assert attached["method"] == "Target.attachedToTarget"
            assert attached["params"]["targetInfo"]["targetId"] != other.target_id
            session = attached["params"]["sessionId"]
            text = {"expression": "document.body.innerText", "returnByValue": True}
            own = await ask(client, "Runtime.evaluate", sessionId=session, params=text)
            assert own["result"]["result"]["value"] == "slot 0"
            return [
                await ask(client, "Target.getTargets"),
                await ask(client, "Target.attachToTarget", params={"targetId": other.target_id, "flatten": True}),
                await ask(client, "Target.attachToBrowserTarget"),
                await ask(client, "Browser.close"),
                await ask(client, "Runtime.evaluate", sessionId=other.session_id, params=text),
            ]

    answers = with_bridge(world, look_around)
    assert all("error" in answer for answer in answers), answers
    open_page(world, PageTask("<p>goes on</p>"), slot=1)


def test_cookies_are_those_of_its_own_context(world: BrowserWorld) -> None:
    async def set_and_get(endpoint: str) -> dict[str, Any]:
        cookie = {"name": "a", "value": "b", "url": "https://task.invalid/"}
        async with connect(endpoint) as client:
            await ask(client, "Storage.setCookies", params={"cookies": [cookie], "browserContextId": "another"})
            return await ask(client, "Storage.getCookies", params={})

    assert [each["name"] for each in with_bridge(world, set_and_get)["result"]["cookies"]] == ["a"]
    pages = [session.page for session in world._sessions.values()]
    cookies = [world._run(page.evaluate("document.cookie")) for page in pages if page is not None]
    assert cookies == ["a=b", ""]
