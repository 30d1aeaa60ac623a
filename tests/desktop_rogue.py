"""A program that claims to be an accessible application, and answers as an attacker would. Runs inside a desktop.

Its first argument is the bus, its second how it behaves. It needs jeepney on its path and nothing else.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from jeepney import (
    DBusAddress,
    HeaderFields,
    Message,
    MessageType,
    new_error,
    new_method_call,
    new_method_return,
    new_signal,
)
from jeepney.io.blocking import open_dbus_connection

ROOT = "/org/a11y/atspi/accessible/root"
PATH = "/org/a11y/atspi/accessible/{}"
ACCESSIBLE = "org.a11y.atspi.Accessible"
SHOWN = [(1 << 24) | (1 << 25) | (1 << 30), 0]
FRAME, BUTTON = 23, 43
DEPTH, WIDTH = 10**9, 50_000
EVIL = 'a\u202eb\u200b\x1b[31mc\nbutton "d" [1]\u0000e\u2066f\ufffc'
FACES = ["org.a11y.atspi.Accessible", "org.a11y.atspi.Component", "org.a11y.atspi.Text"]


class Rogue:
    """Answers calls.

    Args:
        bus: its address.
        manner: endless, wide, cyclic, huge, wrong, bidi, silent, slow, flood, twin (of the calculator), or polite.
    """

    def __init__(self, bus: str, manner: str) -> None:
        self.connection = open_dbus_connection(bus)
        self.name = self.connection.unique_name
        self.manner = manner

    def embed(self) -> None:
        """Make ourselves known to the registry."""
        registry = DBusAddress(ROOT, "org.a11y.atspi.Registry", "org.a11y.atspi.Socket")
        self.connection.send(new_method_call(registry, "Embed", "(so)", ((self.name, ROOT),)))

    def serve(self) -> None:
        """Answer until the bus ends."""
        while True:
            call = self.connection.receive()
            if call.header.message_type is MessageType.method_return:
                print("embedded", flush=True)
            if call.header.message_type is not MessageType.method_call:
                continue
            if self.manner == "silent":
                continue
            if self.manner == "slow":
                time.sleep(0.05)
            answer = self.answer(call)
            if answer is not None:
                self.connection.send(answer)
            if self.manner == "flood":
                self.flood(call.header.fields[HeaderFields.sender])

    def flood(self, victim: str) -> None:
        """Send somebody signals that it asked for, without an end worth waiting for."""
        event = DBusAddress(PATH.format(1), interface="org.a11y.atspi.Event.Object")
        signal = new_signal(event, "StateChanged", "siiva{sv}", ("x" * 30_000, 1, 0, ("s", "y"), {}))
        signal.header.fields[HeaderFields.destination] = victim
        for _ in range(2_000):
            self.connection.send(signal)

    def answer(self, call: Message) -> Message | None:
        """Return what is said to a call."""
        fields = call.header.fields
        member, path = fields[HeaderFields.member], fields[HeaderFields.path]
        number = int(path.rpartition("/")[2]) if path[-1].isdigit() else 0
        if self.manner == "wrong" and member not in {"GetState"}:
            return new_method_return(call, "a{sv}", ({"name": ("i", 3)},))
        if member == "GetItems":
            return self.items(call)
        return self.known(call, member, number)

    def known(self, call: Message, member: str, number: int) -> Message:
        """Return an answer of the right kind."""
        names = {"huge": "n" * 3_000_000, "bidi": EVIL}
        told: dict[str, tuple[str, Any]] = {
            "GetRole": ("u", FRAME if number == 1 else 75 if number == 0 else BUTTON),
            "GetState": ("au", SHOWN),
            "GetInterfaces": ("as", FACES),
            "GetExtents": ("(iiii)", (10, 10, 300, 200)),
            "GetChildren": ("a(so)", [(self.name, PATH.format(each)) for each in self.children(number)]),
            "GetText": ("s", names.get(self.manner, f"text {number}")),
        }
        if member == "Get":
            what = call.body[1]
            if what == "Name":
                name = "galculator" if self.manner == "twin" and number <= 1 else f"rogue {number}"
                return new_method_return(call, "v", (("s", names.get(self.manner, name)),))
            return new_method_return(call, "v", (("i", 5 if what == "ChildCount" else 2**31 - 1),))
        if member in told:
            signature, value = told[member]
            return new_method_return(call, signature, (value,))
        return new_error(call, "org.freedesktop.DBus.Error.UnknownMethod")

    def children(self, number: int) -> range | list[int]:
        """Return the children of a node."""
        if self.manner == "endless":
            return [number + 1]
        if self.manner == "wide":
            return range(1, WIDTH) if number <= 1 else []
        if self.manner == "cyclic":
            return [1, 0, number, number + 1] if number < 50 else [1]
        return [1] if number == 0 else range(2, 10) if number == 1 else []

    def items(self, call: Message) -> Message:
        """Return a whole tree at once; only some have one."""
        if self.manner != "huge":
            return new_error(call, "org.freedesktop.DBus.Error.UnknownMethod")
        item = ((self.name, PATH.format(1)), (self.name, ROOT), (self.name, ROOT), 0, 0, FACES, "x" * 60, 43, "", SHOWN)
        return new_method_return(call, "a((so)(so)(so)iiassusau)", ([item] * 20_000,))


def main() -> None:
    """Run."""
    rogue = Rogue(sys.argv[1], sys.argv[2])
    rogue.embed()
    rogue.serve()


if __name__ == "__main__":
    main()
