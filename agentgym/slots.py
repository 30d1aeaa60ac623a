"""The episodes in a world's slots: what a vector environment drives, in lock-step and asynchronously.

Work is begun in some slots and waited for until enough have answered. A slot that fails to start an episode tries again
by itself; one that fails to the end answers with a failure, and never fails its neighbours.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from agentgym.env import RunningEpisode, Transition
from agentgym.errors import ActionError, InfrastructureError
from agentgym.task import Instance
from agentgym.world import Step, refuse_busy, refuse_too_many

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agentgym.action import Action
    from agentgym.observation import Observation
    from agentgym.policy.speech import Speech
    from agentgym.world import World

RESET_ATTEMPTS = 3  # a crashed browser costs one; more in a row mean that it will not come back
BEGUN = Transition(0.0, terminated=False, truncated=False)
FAILED = Transition(float("nan"), terminated=False, truncated=True)


class Answer(NamedTuple):
    """What came of a slot's work."""

    transition: Transition
    failure: InfrastructureError | None = None
    """Why the machine failed, where it did."""


@dataclass
class _Start:
    """An episode that is being started."""

    instance: Instance
    attempts: int = 1


class Slots:
    """Plays episodes in the slots of a world.

    Args:
        world: where.
        max_steps: actions until truncation, >= 1; each task's own limit where None.
        malformed_penalty: subtracted from the reward of a step whose text is not an action, >= 0.
        speech: the dialect in which text is read.
    """

    def __init__(self, world: World, *, max_steps: int | None, malformed_penalty: float, speech: Speech) -> None:
        self.world = world
        self.episodes: dict[int, RunningEpisode] = {}
        """The newest episode of each slot that has had one."""
        self.begun: Counter[int] = Counter()
        """How many episodes each slot has begun since it was seeded."""
        self._max_steps = max_steps
        self._malformed_penalty = malformed_penalty
        self._speech = speech
        self._starts: dict[int, _Start] = {}
        self._answers: dict[int, Answer] = {}  # that nobody has waited for yet

    @property
    def under_way(self) -> frozenset[int]:
        """The slots whose answer has not been waited for."""
        return self.world.under_way | self._answers.keys()

    def check_free(self, slots: Iterable[int]) -> None:
        """Check that none of some slots is under way.

        Raises:
            SessionStateError: one is.
        """
        refuse_busy(slots, self.under_way, hint="`recv` what comes of it first, or `reset`")

    def send(self, work: Mapping[int, Instance | Action | str]) -> None:
        """Begin work in some slots: start an episode, or carry out an action in the one that is running.

        Raises:
            SessionStateError: a slot is under way.
            TypeError: an action is neither an action nor text; nothing was begun.
        """
        self.check_free(work)
        refused: dict[int, ActionError] = {}
        valid: dict[int, Instance | Action] = {}
        for slot, each in work.items():
            try:
                valid[slot] = each if isinstance(each, Instance) else self.episodes[slot].read(each)
            except ActionError as error:
                refused[slot] = error
        if valid:
            self.world.submit(valid)
        for slot, each in valid.items():
            self._starts.pop(slot, None)  # of a start that a bug has ended
            if isinstance(each, Instance):
                self._starts[slot] = _Start(each)
        self._answers |= {slot: Answer(self.episodes[slot].refuse(error)) for slot, error in refused.items()}

    def wait(self, at_least: int) -> dict[int, Answer]:
        """Return the answers that are there, once there are so many, in the order of the slots.

        Raises:
            SessionStateError: fewer slots are under way.
        """
        refuse_too_many(at_least, self.under_way, hint="`send` actions first, or `async_reset`")
        missing = at_least - len(self._answers)
        while self.world.under_way:
            results = self.world.collect(at_least=max(0, missing))
            for slot, result in results.items():
                self._take_in(slot, result)
            missing = at_least - len(self._answers)
            if missing <= 0:
                break
        answers = dict(sorted(self._answers.items()))
        self._answers.clear()
        return answers

    def give_back(self, answers: Mapping[int, Answer]) -> None:
        """Keep answers for whoever waits next."""
        self._answers |= answers

    def drop(self) -> None:
        """Wait until nothing is under way, and forget the answers."""
        self.wait(len(self.under_way))

    def close(self) -> None:
        """End the world; what was under way is gone."""
        self.world.close()
        self._answers.clear()
        self._starts.clear()

    def _take_in(self, slot: int, result: Observation | Step | InfrastructureError) -> None:
        """Make a result of the world an answer, or try once more."""
        start = self._starts.pop(slot, None)
        if start is None:
            self._answers[slot] = self._advance(slot, result)
        elif not isinstance(result, InfrastructureError):
            assert not isinstance(result, Step)
            limit = self._max_steps or start.instance.task.max_steps
            self.episodes[slot] = RunningEpisode(start.instance, result, limit, self._malformed_penalty, self._speech)
            self.begun[slot] += 1
            self._answers[slot] = Answer(BEGUN)
        elif start.attempts < RESET_ATTEMPTS:
            self.world.submit({slot: start.instance})
            self._starts[slot] = _Start(start.instance, start.attempts + 1)
        else:
            if slot in self.episodes:
                self.episodes[slot].fail(result)
            self._answers[slot] = Answer(FAILED, result)

    def _advance(self, slot: int, result: Observation | Step | InfrastructureError) -> Answer:
        """Take over what an action led to."""
        try:
            if isinstance(result, InfrastructureError):
                raise result
            assert isinstance(result, Step)
            return Answer(self.episodes[slot].advance(result))
        except InfrastructureError as error:
            self.episodes[slot].fail(error)
            return Answer(FAILED, error)
