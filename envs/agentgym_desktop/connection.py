"""A connection to an X server that nobody need trust: every wait ends in time, every answer has a bounded size.

Requests are written by xcffib's own classes; the bytes go through this socket instead of libxcb, which waits for ever,
and allocates whatever size a server announces. A server that ended raises `SessionCrashedError`, one that does not
answer `SessionTimeoutError`, at once or after `REPLY_S`. Events are kept until somebody waits (`wait`), and handed to
those who asked for them (`on`); what a client inside has forged with SendEvent is left out, but for the two kinds that
are always sent so. One thread at a time.
"""

from __future__ import annotations

import contextlib
import select
import struct
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import xcffib
import xcffib.damage
import xcffib.xproto
import xcffib.xtest
from xcffib.ffi import ffi

from agentgym.errors import SessionCrashedError, SessionTimeoutError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

REPLY_S = 5.0  # a request that is not answered so soon will not be
MAX_REPLY_BYTES = 4 * 1024 * 1024
MAX_SETUP_BYTES = 64 * 1024
MAX_EVENTS = 10_000  # the oldest are forgotten when more wait
MAX_VALUE_WORDS = 64 * 1024  # of a property, in one answer, in units of 4 bytes
MAX_REQUEST_BYTES = 4 * 65_535  # without the extension for longer ones
CHUNK_BYTES = 64 * 1024

ERROR, REPLY, GENERIC_EVENT = 0, 1, 35  # first byte of a message
SENT = 0x80  # bit of the first byte of an event that a client made
DESTROY_NOTIFY, PROPERTY_NOTIFY = 17, 28  # kinds of events
SELECTION_CLEAR, SELECTION_REQUEST, SELECTION_NOTIFY, CLIENT_MESSAGE = 29, 30, 31, 33
ALWAYS_SENT = frozenset({SELECTION_NOTIFY, CLIENT_MESSAGE})


class Property(NamedTuple):
    """What a window says of itself; untrusted."""

    type: int
    """Atom."""
    format: int
    """Bits of a unit: 8, 16 or 32."""
    value: bytes
    after: int
    """Bytes that were not read."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """The value as numbers of 32 bits; none where it is something else."""
        return struct.unpack(f"={len(self.value) // 4}I", self.value) if self.format == 32 else ()


class Connection:
    """One client of an X server.

    Args:
        end: the connected socket, which this object then owns.

    Raises:
        SessionCrashedError: the server ended or refused.
        SessionTimeoutError: it did not answer.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end: socket.socket | None = end
        end.setblocking(False)
        self._out = bytearray()
        self._in = bytearray()
        self._sent = 0
        self._seen = 0  # full sequence number of the newest message of the server
        self._awaited: set[int] = set()
        self._replies: dict[int, bytes | None] = {}  # None: an error came
        self._events: deque[bytes] = deque(maxlen=MAX_EVENTS)
        self._handlers: dict[int, list[Callable[[bytes], None]]] = {}
        self._atoms: dict[str, int] = {}
        self._opcodes: dict[Any, int] = {}
        self._begin()
        self.core: Any = xcffib.xproto.xprotoExtension(self)
        self.damage_event = self._extension(xcffib.damage.key)
        self._extension(xcffib.xtest.key)
        self.damage: Any = xcffib.damage.damageExtension(self, xcffib.damage.key)
        self.xtest: Any = xcffib.xtest.xtestExtension(self, xcffib.xtest.key)
        self.answer(self.damage.QueryVersion(1, 1))

    def _begin(self) -> None:
        self._out += struct.pack("=BxHHHHxx", ord("l"), 11, 0, 0, 0)
        deadline = time.monotonic() + REPLY_S
        self._read_until(lambda: len(self._in) >= 8, deadline)
        accepted, _, _, _, words = struct.unpack_from("=BBHHH", self._in)
        size = 8 + words * 4
        if size > MAX_SETUP_BYTES:
            raise SessionCrashedError(f"The desktop's X server answered the greeting with {size} bytes.")
        self._read_until(lambda: len(self._in) >= size, deadline)
        greeting = bytes(self._in[:size])
        del self._in[:size]
        if accepted != 1:
            raise SessionCrashedError(f"The desktop's X server refused a client: {ascii(greeting[8:])[:200]}.")
        try:
            self.setup: Any = xcffib.xproto.Setup(xcffib.MemoryUnpacker(greeting))
            screen = self.setup.roots[0]
            self.root: int = screen.root
            self.size: tuple[int, int] = (screen.width_in_pixels, screen.height_in_pixels)
        except (struct.error, IndexError, xcffib.XcffibException, AssertionError) as error:
            raise SessionCrashedError("The desktop's X server sent a greeting that cannot be read.") from error
        self._ids = 0

    def close(self) -> None:
        """Hang up; may be called twice."""
        end, self._end = self._end, None
        if end is not None:
            end.close()

    def new_id(self) -> int:
        """Return an id for a new window or other thing of this client."""
        self._ids += 1
        return int(self.setup.resource_id_base) | self._ids

    # Requests.

    def send_request(self, flags: int, parts: Any, request: Any) -> int:
        """Queue a request, as xcffib's classes call it; return its sequence number."""
        assert flags in (0, 1)
        body = bytearray(ffi.buffer(parts[0].iov_base, parts[0].iov_len))
        body += bytes(-len(body) % 4)
        assert len(body) <= MAX_REQUEST_BYTES, "the request is too long"
        if request.ext == ffi.NULL:
            body[0] = request.opcode
        else:
            body[0] = self._opcodes[request.ext]
            body[1] = request.opcode
        struct.pack_into("=H", body, 2, len(body) // 4)
        self._out += body
        self._sent += 1
        if not request.isvoid:
            self._awaited.add(self._sent)
        return self._sent

    def answer(self, cookie: Any) -> Any:
        """Wait for the answer to a request; None where that is an error, as for a window that is gone."""
        data = self.raw_answer(cookie)
        if data is None:
            return None
        try:
            return cookie.reply_type(xcffib.CffiUnpacker(ffi.from_buffer(data), known_max=len(data)))
        except (struct.error, xcffib.XcffibException, AssertionError) as error:
            raise SessionCrashedError("The desktop's X server sent an answer that cannot be read.") from error

    def raw_answer(self, cookie: Any) -> bytes | None:
        """Wait for the answer to a request, and return it as it came."""
        sequence = cookie.sequence
        self._read_until(lambda: sequence in self._replies or self._seen > sequence, time.monotonic() + REPLY_S)
        self._awaited.discard(sequence)
        return self._replies.pop(sequence, None)

    def sync(self) -> None:
        """Wait until the server has carried out all that was asked of it."""
        self.raw_answer(self.core.GetInputFocus())

    def ask_property(self, window: int, name: str, *, delete: bool = False, words: int = MAX_VALUE_WORDS) -> Any:
        """Ask for a property, from its beginning; hand what this returns to `property`."""
        return self.core.GetProperty(delete, window, self.atom(name), 0, 0, words)

    def property(self, asked: Any) -> Property | None:
        """Return a property that was asked for; None where the window has none, or is gone."""
        data = self.raw_answer(asked)
        if data is None:
            return None
        bits, kind, after, length = struct.unpack_from("=xB6xIII", data)
        value = data[32 : 32 + length * bits // 8]
        return Property(kind, bits, value, after) if kind else None

    def set_property(self, window: int, name: str, kind: str, value: bytes | tuple[int, ...]) -> None:
        """Write a property: text as bytes, or numbers of 32 bits."""
        data = value if isinstance(value, bytes) else struct.pack(f"={len(value)}I", *value)
        bits, units = (8, len(data)) if isinstance(value, bytes) else (32, len(value))
        self.core.ChangeProperty(0, window, self.atom(name), self.atom(kind), bits, units, data)

    def tell(self, window: int, kind: str, *data: int, to: int | None = None, mask: int = 0) -> None:
        """Send a client message about a window, to it or to another one."""
        message = struct.pack("=BBHII5I", CLIENT_MESSAGE, 32, 0, window, self.atom(kind), *(*data, 0, 0, 0, 0, 0)[:5])
        self.core.SendEvent(False, window if to is None else to, mask, message)

    def atom(self, name: str) -> int:
        """Return the number of a name."""
        if name not in self._atoms:
            self.know_atoms((name,))
        return self._atoms[name]

    def know_atoms(self, names: tuple[str, ...]) -> None:
        """Learn the numbers of names in one go."""
        asked = [self.core.InternAtom(False, len(name), name) for name in names]
        for name, each in zip(names, asked, strict=True):
            self._atoms[name] = self._sure(self.answer(each)).atom

    def _extension(self, key: Any) -> int:
        """Find an extension; return the number of its first event."""
        found = self.answer(self.core.QueryExtension(len(key.name), key.name))
        if found is None or not found.present:
            raise SessionCrashedError(f"The desktop's X server has no extension {key.name}.")
        self._opcodes[key.c_key] = found.major_opcode
        return int(found.first_event)

    @staticmethod
    def _sure(answer: Any) -> Any:
        if answer is None:
            raise SessionCrashedError("The desktop's X server answered with an error where it cannot.")
        return answer

    # Events.

    def on(self, event: int, handler: Callable[[bytes], None]) -> None:
        """Have a function called with each event of a kind, 32 bytes, in `wait`. It may ask, but not wait."""
        self._handlers.setdefault(event, []).append(handler)

    def wait(self, until: Callable[[], bool], timeout_s: float) -> bool:
        """Handle events until a condition holds; False where it does not in time.

        Raises:
            SessionCrashedError: the server ended.
        """
        deadline = time.monotonic() + timeout_s
        self._flush(time.monotonic() + REPLY_S)
        while True:
            self._handle()
            held = until()
            self._flush(time.monotonic() + REPLY_S)  # what handlers have asked for
            if held:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if not self._events:
                self._read(left)

    def wait_for_event(self, timeout_s: float) -> None:
        """Handle events until there was one, for so long at most."""
        self._flush(time.monotonic() + REPLY_S)
        if not self._events:
            self._read(timeout_s)
        self._handle()

    def _handle(self) -> None:
        for _ in range(len(self._events)):
            event = self._events.popleft()
            kind = event[0] & ~SENT
            if event[0] & SENT and kind not in ALWAYS_SENT:
                continue
            for handler in self._handlers.get(kind, ()):
                handler(event)

    # Bytes.

    def flush(self) -> None:
        """Send what was queued."""
        self._flush(time.monotonic() + REPLY_S)

    def _flush(self, deadline: float) -> None:
        while self._out:
            end = self._socket()
            try:
                del self._out[: end.send(self._out)]
            except BlockingIOError:
                self._read(max(0.0, deadline - time.monotonic()), writing=True)  # it may wait for us to read
                if time.monotonic() >= deadline:
                    raise self._too_slow() from None
            except OSError as error:
                raise self._ended() from error

    def _read_until(self, condition: Callable[[], bool], deadline: float) -> None:
        self._flush(deadline)
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._too_slow()
            self._read(left)

    def _read(self, timeout_s: float, *, writing: bool = False) -> None:
        """Take what the server has sent, waiting for it so long."""
        end = self._socket()
        poll = select.poll()
        try:
            poll.register(end, select.POLLIN | (select.POLLOUT if writing else 0))
        except ValueError as error:  # closed by another thread in between
            raise self._ended() from error
        if not poll.poll(max(0.0, timeout_s) * 1000):
            return
        with contextlib.suppress(BlockingIOError):
            try:
                data = end.recv(CHUNK_BYTES)
            except BlockingIOError:
                raise
            except OSError as error:
                raise self._ended() from error
            if not data:
                raise self._ended()
            self._in += data
        if self._sent:
            self._sort()

    def _sort(self) -> None:
        """Part the messages that have come in full."""
        at = 0
        while len(self._in) - at >= 32:
            kind = self._in[at] & ~SENT
            size = 32
            if kind in (REPLY, GENERIC_EVENT):
                size += struct.unpack_from("=I", self._in, at + 4)[0] * 4
                if size > MAX_REPLY_BYTES:
                    raise SessionCrashedError(f"The desktop's X server announced an answer of {size} bytes.")
            if len(self._in) - at < size:
                break
            self._take(kind, bytes(self._in[at : at + size]))
            at += size
        del self._in[:at]

    def _take(self, kind: int, message: bytes) -> None:
        low: int = struct.unpack_from("=H", message, 2)[0]
        full = (self._seen & ~0xFFFF) | low
        if full < self._seen:
            full += 0x10000
        if kind in (ERROR, REPLY):
            self._seen = min(full, self._sent)
            if self._seen in self._awaited:
                self._replies[self._seen] = message if kind == REPLY else None
        else:
            self._events.append(message)

    def _socket(self) -> socket.socket:
        if self._end is None:
            raise SessionCrashedError("The connection to the desktop's X server is closed.")
        return self._end

    def _ended(self) -> SessionCrashedError:
        self.close()
        return SessionCrashedError("The desktop's X server ended.")

    def _too_slow(self) -> SessionTimeoutError:
        self.close()
        return SessionTimeoutError(f"The desktop's X server did not answer in {REPLY_S:g} s.")
