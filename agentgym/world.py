"""Worlds: kinds of computer.

A world owns processes and isolation and hands out sessions, addressed by slot. Its calls are batched, because one
message to sixteen pages costs little more than to one. Each slot answers with its result or with an
`InfrastructureError` of its own: one failed session never fails its neighbours, and heals on its next reset.

The same work can be handed in and fetched apart (`World.submit`, `World.collect`), so that a slow session does not hold
up the others. A world belongs to the process that opened it: it cannot be pickled.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NoReturn, Self

from agentgym.action import Action
from agentgym.errors import SessionStateError
from agentgym.task import Instance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agentgym.episode import Score
    from agentgym.errors import InfrastructureError
    from agentgym.look import Part
    from agentgym.observation import Observation


@dataclass(frozen=True)
class Step:
    """What one action led to."""

    observation: Observation
    score: Score | None
    """The task's verdict where it ended the episode; None while the episode goes on."""


class World(ABC):
    """What a new kind of computer implements.

    Args of every world: ``num_slots``, how many sessions there are; ``screenshot``, whether observations carry one. A
    world whose `parts` go beyond that takes ``look``, an `agentgym.look.Look`, too.
    """

    name: ClassVar[str]
    parts: ClassVar[frozenset[Part]] = frozenset({"elements", "screenshot"})
    """What its observations can hold."""
    needed: ClassVar[bool] = True
    """Whether a machine on which it does not run is not fit for use; `agentgym doctor` then fails."""
    prepares: ClassVar[bool] = False
    """Whether `expect` is of use to it."""
    num_slots: int

    @classmethod
    def check(cls) -> str:
        """Return in a few words what this world runs on, after trying it; for `agentgym doctor`.

        Raises:
            AgentGymError: it does not work here; the message says what to do.
        """
        cls().close()
        return "starts"

    @abstractmethod
    def reset(self, instances: Mapping[int, Instance]) -> dict[int, Observation | InfrastructureError]:
        """Start an episode in each of the given slots; what was there before is gone."""

    @abstractmethod
    def step(self, actions: Mapping[int, Action]) -> dict[int, Step | InfrastructureError]:
        """Carry out one action in each of the given slots.

        An action that cannot be carried out (its element is not there) is an observation with an error.

        Raises:
            SessionStateError: a slot was not reset, or its episode has ended.
        """

    def isolation(self, slot: int) -> str:
        """Return what parts a slot's running session from the machine and from others, for the record of its episode.

        Empty where that is always the same, as the world's own documentation says; this default.
        """
        del slot
        return ""

    def expect(self, instances: Mapping[int, Instance]) -> None:  # noqa: B027 (most worlds have no use for it)
        """Take note of what some slots will probably be reset to next, so that it can be made ready meanwhile.

        This default forgets it. A slot may be reset to something else all the same.
        """

    def check_slots(self, slots: Iterable[int]) -> None:
        """Check that slots exist and are free.

        Raises:
            IndexError: there is no such slot.
            SessionStateError: one is under way.
        """
        for slot in slots:
            if not 0 <= slot < self.num_slots:
                raise IndexError(f"slot {slot} is outside of this world's {self.num_slots} slots")
        refuse_busy(slots, self.under_way)

    @property
    def under_way(self) -> frozenset[int]:
        """The slots whose work was submitted, and whose result was not collected yet."""
        return frozenset(self._submitted)

    def submit(self, work: Mapping[int, Instance | Action]) -> None:
        """Start work in some slots without waiting for it: an instance starts an episode, an action is carried out.

        Until its result is collected, a slot takes no further work. This default only takes note, for `collect`; a
        world that can work while the caller does something else overrides it, `collect` and `under_way`.

        Raises:
            SessionStateError: a slot is under way; nothing was submitted. Also where a slot was not reset, if the world
                can tell already.
        """
        refuse_busy(work, self.under_way)
        self._submitted.update(work)

    def collect(
        self, *, at_least: int = 1, timeout_s: float | None = None
    ) -> dict[int, Observation | Step | InfrastructureError]:
        """Wait for submitted work, and return the results that are there, in the order in which they came.

        This default does the work now, all of it and whatever the time-out, in one call of `step` and one of `reset`.

        Args:
            at_least: how many results to wait for; 0 only looks.
            timeout_s: after so long, return what there is; None waits.

        Raises:
            SessionStateError: fewer slots than ``at_least`` are under way; or as in `step`.
        """
        refuse_too_many(at_least, self.under_way)
        del timeout_s
        work = dict(self._submitted)
        self._submitted.clear()
        actions = {slot: each for slot, each in work.items() if isinstance(each, Action)}
        instances = {slot: each for slot, each in work.items() if isinstance(each, Instance)}
        results: dict[int, Observation | Step | InfrastructureError] = {}
        if actions:  # first: a world that crashed meanwhile has told these slots before a reset starts it again
            results.update(self.step(actions))
        if instances:
            results.update(self.reset(instances))
        return results

    @abstractmethod
    def close(self) -> None:
        """End all sessions and processes, also with work under way; may be called twice.

        A world that does not override `submit` calls this one.
        """
        self._submitted.clear()

    @cached_property
    def _submitted(self) -> dict[int, Instance | Action]:
        """What waits for `collect`; made when first needed, because worlds need not call a constructor of ours."""
        return {}

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"A {type(self).__name__} holds running sessions, so neither it nor an environment on it can be pickled or "
            f"copied. Call `agentgym.make` in the process that uses it, and pass the task's id there."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def refuse_busy(slots: Iterable[int], under_way: frozenset[int], *, hint: str = "`collect` its results first") -> None:
    """Check that none of some slots is under way.

    Raises:
        SessionStateError: one is; the message ends in the hint.
    """
    busy = sorted(under_way.intersection(slots))
    if busy:
        raise SessionStateError(f"Work is under way in slots {busy}, so they take no more; {hint}.")


def refuse_too_many(at_least: int, under_way: frozenset[int], *, hint: str = "`submit` work first") -> None:
    """Check that as many results can come as are waited for.

    Raises:
        SessionStateError: fewer slots are under way; the message ends in the hint.
    """
    if at_least > len(under_way):
        raise SessionStateError(
            f"Asked to wait for {at_least} results, but work is under way in {len(under_way)} slots; {hint}."
        )
