"""A server on this machine that notes whoever comes, over TCP or UDP, at several of the machine's addresses."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from agentgym_browser import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOOPBACK = "127.0.0.1"


def addresses() -> list[str]:
    """Return the addresses that a server on this machine can have."""
    found = [LOOPBACK]
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        found.append("::1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # sends nothing, but says which address it would be sent from
        found.append(probe.getsockname()[0])
    return found


class Listener:
    """The server; `visits` holds what came: ``connected``, then whatever was sent.

    Args:
        pages: what is served, by path; what else is asked for gets an empty answer.
    """

    def __init__(self, pages: Mapping[str, Answer] | None = None) -> None:
        self.visits: list[bytes] = []
        self.pages = dict(pages or {})
        self.addresses = addresses()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.AbstractServer | asyncio.BaseTransport] = []
        self._loop.run_until_complete(self._open())
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    async def _open(self) -> None:
        for address in self.addresses:
            server = await asyncio.start_server(self._serve, address, self.port)
            self.port = server.sockets[0].getsockname()[1]
            endpoint, _ = await self._loop.create_datagram_endpoint(
                lambda: Datagrams(self.visits), (address, self.port)
            )
            self._servers += [server, endpoint]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits.append(b"connected")
        with contextlib.closing(writer), contextlib.suppress(OSError):
            while data := await reader.read(65536):
                self.visits.append(data)
                path = data.split(b" ", 2)[1].decode("latin-1") if data.count(b" ") > 1 else ""
                writer.write(_response(self.pages.get(path, Answer(kind="text/plain"))))
                await writer.drain()

    def close(self) -> None:
        """End it."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # lets the transports close their descriptors


def _response(answer: Answer) -> bytes:
    body = answer.body.encode() if isinstance(answer.body, str) else answer.body
    headers = [("Content-Type", answer.kind), ("Content-Length", str(len(body))), *answer.headers]
    lines = [f"HTTP/1.1 {answer.status} x", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode() + body


class Datagrams(asyncio.DatagramProtocol):
    """Notes packets."""

    def __init__(self, visits: list[bytes]) -> None:
        self._visits = visits

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Note a packet."""
        del addr
        self._visits.append(data)


@contextlib.contextmanager
def listening(pages: Mapping[str, Answer] | None = None) -> Iterator[Listener]:
    """Open a server for a while."""
    listener = Listener(pages)
    try:
        yield listener
    finally:
        listener.close()
