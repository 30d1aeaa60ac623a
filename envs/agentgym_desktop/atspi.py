"""The accessibility bus: D-Bus calls that are sent together and answered together.

Source: https://dbus.freedesktop.org/doc/dbus-specification.html. A tree of hundreds of nodes takes thousands of calls,
and what costs is waiting for each: `Bus.ask` sends all of a level and then reads. jeepney writes and reads the values;
the socket is ours, for the limits.

Nothing that comes over the bus is trusted: any program of the desktop may answer. An answer counts where it has the
signature that was asked for and comes from whom it was asked of; what is too big is read past and dropped, what is
malformed is dropped, what does not come in time is given up. Not protected: the bus itself, which runs inside the
desktop; where it ends or talks nonsense the session is lost (`SessionCrashedError`).
"""

from __future__ import annotations

import select
import struct
import time
from collections import deque
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from jeepney import DBusAddress, HeaderFields, MessageType, new_method_call
from jeepney.low_level import Header, parse_signature

from agentgym.errors import SessionCrashedError, SessionTimeoutError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

MAX_MESSAGE = 2 << 20  # bytes; LibreOffice's 1,900 nodes are 0.6 MB
MAX_LOOSE = 1 << 16  # bytes of a message that may hold values of any kind, which are slow to read
MAX_UNREAD = 32 << 20  # bytes that one round of questions reads, whatever they are
MAX_SIGNALS = 20_000  # that wait to be looked at
CHUNK = 1 << 18
OPEN_S = 5.0  # until the bus has let us in
MAX_KEPT = 20_000  # calls that are kept as they are sent
AT_ONCE = 512  # calls of which the answers are awaited before more are sent
DAEMON = "org.freedesktop.DBus"
ITEM = "((so)(so)(so)iiassusau)"  # of an application's cache: itself, application, parent, index, children …
SIGNALS = {
    "org.a11y.atspi.Event.Object": {"siiva{sv}", "siiv(so)"},
    "org.a11y.atspi.Cache": {ITEM, "(so)"},
}
"""Those that are listened to, with the signatures that they may have."""
_MALFORMED = (ValueError, KeyError, IndexError, TypeError, AssertionError, struct.error, RecursionError)


class Call(NamedTuple):
    """A question to one object."""

    destination: str
    path: str
    interface: str
    member: str
    signature: str = ""
    body: tuple[Any, ...] = ()
    answer: str = ""
    """The signature that its answer must have."""


class Signal(NamedTuple):
    """What an object said unasked."""

    sender: str
    path: str
    interface: str
    member: str
    body: tuple[Any, ...]


class Answers(NamedTuple):
    """What came of some calls."""

    bodies: list[tuple[Any, ...] | None]
    """One a call; None where there was none, an error, or not what was asked for."""
    complete: bool
    """Whether every call was answered, if only by an error."""


class BusFloodedError(Exception):
    """Somebody sends more than can be read; the connection is of no use any more."""


class Bus:
    """A connection to a message bus. Use it from one thread at a time.

    Args:
        connection: a connected Unix socket, which the bus then owns.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.signals: deque[Signal] = deque()
        """What was said since it was last looked at, oldest first."""
        self.missed = False
        """Whether there was more than is kept."""
        self._socket = connection
        self._socket.setblocking(False)
        self._buffer = bytearray()
        self._skip = 0  # bytes of a message too big that are still to come
        self._serial = 0
        self._written: dict[Call, bytearray] = {}

    @classmethod
    def open(cls, connect: Callable[[str], socket.socket], address: str) -> Bus:
        """Connect, introduce ourselves and ask for the signals of the accessibility tree.

        Args:
            connect: connects to a Unix socket by its path.
            address: of the bus, as in "unix:path=/run/user/1000/at-spi/bus_0,guid=…".

        Raises:
            SessionCrashedError: there is no such bus, or it does not let us in.
            SessionTimeoutError: it does not answer.
        """
        path = _path_of(address)
        try:
            bus = cls(connect(path))
        except OSError as error:
            raise SessionCrashedError(f"The accessibility bus of the desktop at {path} is gone: {error}.") from error
        try:
            bus._enter(time.monotonic() + OPEN_S)
        except BaseException:
            bus.close()
            raise
        return bus

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def ask(self, calls: Sequence[Call], deadline: float) -> Answers:
        """Send calls together and wait for their answers.

        Args:
            calls: what is asked.
            deadline: of `time.monotonic`, when what has not been answered is given up.

        Raises:
            SessionCrashedError: the bus is gone.
            BusFloodedError: more came than is read.
        """
        bodies: list[tuple[Any, ...] | None] = [None] * len(calls)
        first, sent, read = self._serial + 1, 0, 0
        waiting: dict[int, Call] = {}
        unsent = bytearray()
        while sent < len(calls) or waiting or unsent:
            while sent < len(calls) and len(waiting) < AT_ONCE:
                unsent += self._write(calls[sent])
                waiting[self._serial] = calls[sent]
                sent += 1
            read += self._turn(unsent, deadline)
            if read > MAX_UNREAD:
                raise BusFloodedError
            for serial, body in self._take(waiting):
                if waiting.pop(serial, None):
                    bodies[serial - first] = body
            if time.monotonic() >= deadline:
                break
        if unsent:  # half a message cannot be taken back
            raise BusFloodedError
        return Answers(bodies, complete=not waiting and sent == len(calls))

    def _enter(self, deadline: float) -> None:
        """Authenticate as whom the other end of the socket says that we are, and say hello."""
        unsent, said = bytearray(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"), b""
        while said.count(b"\r\n") < 2 or unsent:
            if time.monotonic() >= deadline or len(said) > 4096:
                raise SessionTimeoutError(f"The accessibility bus did not let us in within {OPEN_S:g} s.")
            self._turn(unsent, deadline)
            said = bytes(self._buffer)
        asked, granted, rest = said.split(b"\r\n", 2)
        if asked != b"DATA" or not granted.startswith(b"OK "):
            raise SessionCrashedError(f"The accessibility bus refuses us: {said[:200]!r}.")
        self._buffer = bytearray(rest)
        rules = [f"type='signal',interface='{interface}'" for interface in SIGNALS]
        calls = [Call(DAEMON, "/org/freedesktop/DBus", DAEMON, "Hello", answer="s")]
        calls += [Call(DAEMON, "/org/freedesktop/DBus", DAEMON, "AddMatch", "s", (rule,)) for rule in rules]
        try:
            answers = self.ask(calls, deadline)
        except BusFloodedError as error:
            raise SessionCrashedError("The accessibility bus floods whoever connects to it.") from error
        if answers.bodies[0] is None:
            raise SessionCrashedError("The accessibility bus gave us no name.")

    def _write(self, call: Call) -> bytearray:
        """Return a call as bytes, with a serial number of its own."""
        self._serial += 1
        kept = "a" not in call.signature  # a list is no key
        written = self._written.get(call) if kept else None
        if written is None:
            address = DBusAddress(call.path, call.destination, call.interface)
            written = bytearray(new_method_call(address, call.member, call.signature or None, call.body).serialise(1))
            if len(self._written) > MAX_KEPT:
                self._written.clear()
            if kept:
                self._written[call] = written
        struct.pack_into("<I", written, 8, self._serial)
        return written

    def _turn(self, unsent: bytearray, deadline: float) -> int:
        """Send and receive what can be without waiting, once there is anything; return how many bytes came."""
        poll = select.poll()
        try:
            poll.register(self._socket, select.POLLIN | (select.POLLOUT if unsent else 0))
        except ValueError as error:  # closed by another thread, as a desktop may be at any time
            raise SessionCrashedError("The connection to the accessibility bus is closed.") from error
        poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        try:
            if unsent:
                del unsent[: self._socket.send(unsent)]
        except BlockingIOError:
            pass
        except OSError as error:
            raise SessionCrashedError(f"The accessibility bus of the desktop is gone: {error}.") from error
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise SessionCrashedError(f"The accessibility bus of the desktop is gone: {error}.") from error
        if not data:
            raise SessionCrashedError("The accessibility bus of the desktop has ended.")
        self._buffer += data
        return len(data)

    def _take(self, waiting: dict[int, Call]) -> list[tuple[int, tuple[Any, ...] | None]]:
        """Return the answers that have come: serial and body, None where it is not what was asked for."""
        answers, start, buffer = [], 0, self._buffer
        while True:
            step = min(self._skip, len(buffer) - start)
            self._skip -= step
            start += step
            if len(buffer) - start < 16:
                break
            head, length = _lengths(buffer, start)
            big = length > MAX_MESSAGE
            if len(buffer) - start < (min(head, MAX_LOOSE) if big else length):
                break
            message = bytes(buffer[start : start + (min(head, MAX_LOOSE) if big else length)])
            start += len(message)
            self._skip = length - len(message)
            with suppress(*_MALFORMED):
                header, position = Header.from_buffer(message)
                if header.message_type is MessageType.signal:
                    self._hear(message, header, position)
                elif HeaderFields.reply_serial in header.fields:
                    serial = header.fields[HeaderFields.reply_serial]
                    call = waiting.get(serial)
                    if call is not None and _is_from(call.destination, header.fields.get(HeaderFields.sender, "")):
                        answers.append((serial, _answer(message, header, position, call.answer)))
        del buffer[:start]
        return answers

    def _hear(self, message: bytes, header: Header, position: int) -> None:
        """Keep a signal; what cannot be read of it is told by an empty body."""
        fields = header.fields
        if fields[HeaderFields.interface] not in SIGNALS:
            return
        if len(self.signals) >= MAX_SIGNALS:
            self.missed = True
            return
        body: tuple[Any, ...] = ()
        if len(message) <= MAX_LOOSE and fields.get(HeaderFields.signature) in SIGNALS[fields[HeaderFields.interface]]:
            with suppress(*_MALFORMED):
                body = _body(message, header, position)
        sender, path = fields[HeaderFields.sender], fields[HeaderFields.path]
        self.signals.append(Signal(sender, path, fields[HeaderFields.interface], fields[HeaderFields.member], body))


@lru_cache(maxsize=256)
def _type_of(signature: str) -> Any:
    return parse_signature(list(f"({signature})"))


def _body(message: bytes, header: Header, position: int) -> tuple[Any, ...]:
    signature = header.fields.get(HeaderFields.signature, "")
    if not signature:
        return ()
    body: tuple[Any, ...] = _type_of(signature).parse_data(message, position, header.endianness)[0]
    return body


def _answer(message: bytes, header: Header, position: int, wanted: str) -> tuple[Any, ...] | None:
    """Return the body of an answer, or None if it is an error or not what was asked for."""
    if header.message_type is not MessageType.method_return or header.fields.get(HeaderFields.signature, "") != wanted:
        return None
    if "v" in wanted and len(message) > MAX_LOOSE:
        return None
    try:
        return _body(message, header, position)
    except _MALFORMED:
        return None


def _lengths(buffer: bytearray, start: int) -> tuple[int, int]:
    """Return how long the message is that starts there: its head, and all of it.

    Raises:
        SessionCrashedError: none does, so that what follows cannot be read either.
    """
    order = {0x6C: "<", 0x42: ">"}.get(buffer[start])
    if order is None:
        raise SessionCrashedError("What the accessibility bus of the desktop sends is no D-Bus.")
    _, body, _, fields = struct.unpack_from(f"{order}4I", buffer, start)
    head = 16 + -(-fields // 8) * 8
    return head, head + body


def _is_from(destination: str, sender: str) -> bool:
    """Return whether an answer comes from whom it was asked of; who owns a well-known name the bus alone knows."""
    return sender == destination or not destination.startswith(":")


def _path_of(address: str) -> str:
    """Return the path of the socket in an address of a bus.

    Raises:
        SessionCrashedError: it has none.
    """
    for each in address.strip().split(";"):
        kind, _, keys = each.partition(":")
        path = dict(part.partition("=")[::2] for part in keys.split(",")).get("path", "")
        if kind == "unix" and path:
            return path
    raise SessionCrashedError(f"The accessibility bus is at no path in the desktop: {address[:200]!r}.")
