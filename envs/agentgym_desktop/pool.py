"""Standby desktops: started in the background, so that an episode begins in one that is ready.

Whoever will need a desktop says so early (`expect`); as many as the pool holds are started ahead, those that were
expected first before the others. One that has died while it waited is thrown away when it is asked for.
"""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from agentgym.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence


class Standby(Protocol):
    """What waits in a pool."""

    @property
    def alive(self) -> bool:
        """Whether it can still be used."""
        ...

    def close(self) -> None:
        """End it."""
        ...


Kind = TypeVar("Kind", bound="Hashable")
Thing = TypeVar("Thing", bound=Standby)


@dataclass
class _Place(Generic[Kind, Thing]):
    """What somebody expects."""

    owner: int
    kind: Kind
    standby: Future[Thing] | None = None
    """None until it is started."""


class Pool(Generic[Kind, Thing]):
    """Holds standbys by kind.

    Args:
        start: makes one of a kind; called on threads of the pool, and on the caller's where none is ready.
        size: how many wait or are being started at most, >= 0.
        starters: how many are started at once, >= 1.
    """

    def __init__(self, start: Callable[[Kind], Thing], *, size: int, starters: int = 1) -> None:
        self._start = start
        self._size = size
        self._executor = ThreadPoolExecutor(starters, thread_name_prefix="agentgym-standby")
        self._places: list[_Place[Kind, Thing]] = []  # in the order in which they were expected
        self._lock = threading.Lock()
        self._closed = False

    @property
    def ready(self) -> int:
        """How many wait that have started; one that failed to does not count."""
        with self._lock:
            return sum(map(_is_ready, self._places))

    def expect(self, owner: int, kind: Kind, *, rather: bool = True) -> None:
        """Have one of a kind started, as soon as there is room.

        Args:
            owner: who will need it.
            kind: which.
            rather: whether it takes the place of another kind that the owner expected before.
        """
        with self._lock:
            former = [place for place in self._places if place.owner == owner]
            if self._closed or any(place.kind == kind for place in former) or (former and not rather):
                return
            self._places = [place for place in self._places if place.owner != owner]
            self._places.append(_Place(owner, kind))
            self._fill()
        for place in former:
            self._discard(place)

    def take(self, owner: int, kinds: Sequence[Kind]) -> tuple[Kind, Thing]:
        """Return one of some kinds, those that come first rather; one that is ready, being started, or new.

        Args:
            owner: who takes it; expects nothing afterwards.
            kinds: what will do; the last is started where there is none of them.

        Raises:
            InfrastructureError: it could not be started.
            MissingDependencyError: what it needs is not installed.
        """
        while (place := self._pop(kinds)) is not None:
            assert place.standby is not None
            try:
                thing = place.standby.result()
            except (InfrastructureError, CancelledError):
                continue  # it failed in the background; where that lasts, it is raised here
            if thing.alive:
                self._settle(owner, place)
                return place.kind, thing
            thing.close()
        self._settle(owner, None)
        return kinds[-1], self._start(kinds[-1])

    def close(self) -> None:
        """End all that waits; may be called twice."""
        with self._lock:
            self._closed = True
            places, self._places = self._places, []
        for place in places:
            self._discard(place)
        self._executor.shutdown(wait=True)

    def _fill(self) -> None:
        """Start what is expected while there is room; the lock is held."""
        for place in self._places[: self._size]:
            if place.standby is None:
                place.standby = self._executor.submit(self._start, place.kind)

    def _pop(self, kinds: Sequence[Kind]) -> _Place[Kind, Thing] | None:
        """Take out the best that was started."""
        with self._lock:
            started = [place for place in self._places if place.standby is not None and place.kind in kinds]
            if not started:
                return None
            best = min(started, key=lambda place: (kinds.index(place.kind), not _is_done(place)))
            self._places.remove(best)
            return best

    def _settle(self, owner: int, taken: _Place[Kind, Thing] | None) -> None:
        """Drop what an owner expected, that has what it needs; whoever expected that gets the owner's place for it."""
        with self._lock:
            own = [place for place in self._places if place.owner == owner]
            if taken is not None and taken.owner != owner:
                if own and own[0].kind == taken.kind:
                    own.pop().owner = taken.owner
                else:
                    self._places.append(_Place(taken.owner, taken.kind))
            self._places = [place for place in self._places if place.owner != owner]
            if not self._closed:
                self._fill()
        for place in own:
            self._discard(place)

    def _discard(self, place: _Place[Kind, Thing]) -> None:
        """End a standby that nobody wants, now or once it has started."""
        if place.standby is not None and not place.standby.cancel():
            place.standby.add_done_callback(_close)


def _is_done(place: _Place[Kind, Thing]) -> bool:
    return place.standby is not None and place.standby.done()


def _is_ready(place: _Place[Kind, Thing]) -> bool:
    standby = place.standby
    return standby is not None and standby.done() and not standby.cancelled() and standby.exception() is None


def _close(standby: Future[Thing]) -> None:
    if not standby.cancelled() and standby.exception() is None:
        standby.result().close()
