"""The collector: drives many sessions with one policy and yields trajectories.

All slots that have a running episode take a turn together: one batch of completions, one batch of actions. A slot whose
episode has ended starts the next request at once, one of the same task where one waits: worlds start a task again much
faster than they open another. An episode that the machine failed is yielded with that outcome, and
played again a bounded number of times; it never becomes a reward.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from agentgym.action import Action, format_action
from agentgym.episode import EpisodeKey, Outcome, Trajectory, Turn
from agentgym.errors import ActionError, InfrastructureError
from agentgym.policy.base import Completion, Prompt
from agentgym.policy.prompt import HISTORY, history_line, user_message
from agentgym.task import Instance, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from agentgym.episode import Score
    from agentgym.observation import Observation
    from agentgym.policy.base import Policy
    from agentgym.world import Step, World

LOOKED_AHEAD = 8  # requests among which one of the task that a slot had last is looked for, in multiples of the slots
MALFORMED = "?"  # how a completion that was no action appears in the history


@dataclass(frozen=True)
class EpisodeRequest:
    """An episode to be played."""

    key: EpisodeKey
    task: Task


@dataclass
class CollectorStats:
    """What a collector has done so far."""

    turns: int = 0
    episodes: int = 0
    infrastructure_failures: int = 0
    env_s: float = 0.0
    """Seconds spent in the world."""
    policy_s: float = 0.0
    """Seconds spent in the policy."""


class EpisodeSource(Protocol):
    """Whatever plays episodes: a `Collector` in this process, or rollout workers."""

    stats: CollectorStats

    def collect(self, requests: Iterable[EpisodeRequest]) -> Iterator[Trajectory]:
        """Play every request; yield each trajectory when its episode ends."""
        ...


@dataclass
class _Episode:
    """An episode that is being played in a slot."""

    request: EpisodeRequest
    observation: Observation
    history: list[str] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    penalty: float = 0.0
    isolation: str = ""


class _Waiting:
    """Requests that wait.

    Args:
        requests: where they come from; asked for no more than is looked at, and again later where it had no more.
        ahead: how many are looked at, >= 1.
    """

    def __init__(self, requests: Iterable[EpisodeRequest], *, ahead: int) -> None:
        self._source = iter(requests)
        self._ahead = ahead
        self._seen: deque[EpisodeRequest] = deque()

    def again(self, request: EpisodeRequest) -> None:
        """Put a request back; it is the next one."""
        self._seen.appendleft(request)

    def take(self, slot: int, tasks: dict[int, str]) -> EpisodeRequest | None:
        """Return a request of the task that a slot had last, else of the one that the fewest slots have.

        Args:
            slot: that is free.
            tasks: id of the task that each slot had last.

        Returns:
            The first such request that is looked at; None if none waits.
        """
        while len(self._seen) < self._ahead and (request := next(self._source, None)) is not None:
            self._seen.append(request)
        if not self._seen:
            return None
        chosen = self._best(self._seen, slot, tasks)
        self._seen.remove(chosen)
        return chosen

    def foresee(self, slots: Iterable[int], tasks: dict[int, str]) -> dict[int, EpisodeRequest]:
        """Return what some slots would take, one after the other, of the requests that were looked at."""
        left = list(self._seen)
        foreseen: dict[int, EpisodeRequest] = {}
        for slot in slots:
            if not left:
                break
            foreseen[slot] = self._best(left, slot, tasks)
            left.remove(foreseen[slot])
        return foreseen

    @staticmethod
    def _best(requests: Iterable[EpisodeRequest], slot: int, tasks: dict[int, str]) -> EpisodeRequest:
        counts = Counter(tasks.values())
        own = tasks.get(slot)
        return min(requests, key=lambda request: -1 if request.task.id == own else counts[request.task.id])


class Collector:
    """Plays episodes.

    Args:
        world: where; all its slots are used.
        policy: who plays.
        malformed_penalty: subtracted from the reward for each completion that is no action, >= 0.
        history: how many of the newest actions a prompt shows.
        retries: how often an episode is played again after the machine failed.
        on_turns: called with the number of turns after each batch; for progress displays.
    """

    def __init__(
        self,
        world: World,
        policy: Policy,
        *,
        malformed_penalty: float = 0.05,
        history: int = HISTORY,
        retries: int = 2,
        on_turns: Callable[[int], None] | None = None,
    ) -> None:
        self.world = world
        self.policy = policy
        self.stats = CollectorStats()
        self._malformed_penalty = malformed_penalty
        self._history = history
        self._retries = retries
        self._on_turns = on_turns
        self._tasks: dict[int, str] = {}  # id of the task that each slot had last

    def collect(self, requests: Iterable[EpisodeRequest]) -> Iterator[Trajectory]:
        """Play every request; yield each trajectory when its episode ends, in order of ending.

        A request whose machine failed is yielded once a failure, and played again up to ``retries`` times.
        """
        waiting = _Waiting(requests, ahead=LOOKED_AHEAD * self.world.num_slots)
        failures: dict[EpisodeKey, int] = {}
        running: dict[int, _Episode] = {}
        try:
            while True:
                ended = list(self._fill(running, waiting))
                if not running and not ended:
                    return
                if running:
                    ended += self._turn(running)
                for request, trajectory in ended:
                    self.policy.forget(request.key)
                    self.stats.episodes += 1
                    if trajectory.outcome == "infrastructure":
                        self.stats.infrastructure_failures += 1
                        failures[request.key] = failures.get(request.key, 0) + 1
                        if failures[request.key] <= self._retries:
                            waiting.again(request)
                yield from (trajectory for _, trajectory in ended)
        finally:  # also when the caller wants no more, or something raises
            for episode in running.values():
                self.policy.forget(episode.request.key)

    def _fill(self, running: dict[int, _Episode], waiting: _Waiting) -> Iterator[tuple[EpisodeRequest, Trajectory]]:
        """Start an episode in each free slot; yield those that could not start."""
        starting: dict[int, EpisodeRequest] = {}
        for slot in range(self.world.num_slots):
            if slot in running:
                continue
            request = waiting.take(slot, self._tasks)
            if request is None:
                break
            starting[slot] = request
            self._tasks[slot] = request.task.id
        if not starting:
            return
        began = time.perf_counter()
        results = self.world.reset({slot: Instance(each.task, each.key.seed) for slot, each in starting.items()})
        self.stats.env_s += time.perf_counter() - began
        for slot, request in starting.items():
            result = results[slot]
            if isinstance(result, InfrastructureError):
                yield request, self._failed(request, "", (), 0.0, result)
            else:
                running[slot] = _Episode(request, result, isolation=self.world.isolation(slot))
        if self.world.prepares:
            foreseen = waiting.foresee(running, self._tasks)
            self.world.expect({slot: Instance(each.task, each.key.seed) for slot, each in foreseen.items()})

    def _turn(self, running: dict[int, _Episode]) -> list[tuple[EpisodeRequest, Trajectory]]:
        """Take one turn in every running episode; remove and return those that ended."""
        slots = list(running)
        prompts = [self._prompt(running[slot]) for slot in slots]
        began = time.perf_counter()
        completions = self.policy.complete(prompts)
        answered = time.perf_counter()
        actions: dict[int, Action] = {}
        for slot, prompt, completion in zip(slots, prompts, completions, strict=True):
            action = self._record(running[slot], prompt, completion)
            if action is not None:
                actions[slot] = action
        results = self.world.step(actions) if actions else {}
        self.stats.policy_s += answered - began
        self.stats.env_s += time.perf_counter() - answered
        self.stats.turns += len(slots)
        if self._on_turns is not None:
            self._on_turns(len(slots))
        ended = []
        for slot in slots:
            trajectory = self._advance(running[slot], results.get(slot))
            if trajectory is not None:
                ended.append((running.pop(slot).request, trajectory))
        return ended

    def _prompt(self, episode: _Episode) -> Prompt:
        newest = tuple(episode.history[-self._history :]) if self._history else ()
        screenshots = self.policy.sight.window(episode.turns, episode.observation)
        return Prompt(
            episode.request.key, episode.request.task, episode.observation, newest, len(episode.turns), screenshots
        )

    def _record(self, episode: _Episode, prompt: Prompt, completion: Completion) -> Action | None:
        """Note a turn; return its action, or None where the completion is no action."""
        action, error = None, ""
        dialect = self.policy.dialect(prompt)
        try:
            action = dialect.parse(completion.text)
        except ActionError as malformed:
            error = str(malformed)
            episode.penalty += self._malformed_penalty
            episode.observation = replace(episode.observation, error=error)
        text = "" if action is None else format_action(action)
        episode.history.append(MALFORMED if action is None else history_line(action, dialect))
        episode.turns.append(
            Turn(
                prompt=completion.prompt_text or user_message(prompt, dialect),
                completion=completion.thought + completion.text,
                action=text,
                error=error,
                prompt_ids=completion.prompt_ids,
                completion_ids=completion.ids,
                logprobs=completion.logprobs,
                screenshot=prompt.observation.screenshot,
                forced=completion.forced,
                shown=completion.shown,
            )
        )
        return action

    def _advance(self, episode: _Episode, result: Step | InfrastructureError | None) -> Trajectory | None:
        """Take over what an action led to; return the trajectory if that ended the episode."""
        request, score = episode.request, None
        instruction, turns = episode.observation.instruction, tuple(episode.turns)
        if isinstance(result, InfrastructureError):
            failed = self._failed(request, instruction, turns, episode.penalty, result)
            return replace(failed, isolation=episode.isolation)
        if result is not None:
            episode.observation, score = result.observation, result.score
            if result.observation.error:
                episode.turns[-1] = replace(turns[-1], error=result.observation.error)
                turns = tuple(episode.turns)
        outcome, value, reason = _verdict(request.task, len(turns), score)
        if outcome is None:
            return None
        version, isolation = self.policy.version, episode.isolation
        after = self._next_turn(episode) if outcome == "truncated" else None
        verdict = (outcome, value, reason, episode.penalty)
        return Trajectory(request.key, instruction, turns, *verdict, version, after=after, isolation=isolation)

    def _next_turn(self, episode: _Episode) -> Turn | None:
        """Return the turn that a truncated episode would have had next, up to its completion."""
        prompt = self._prompt(episode)
        seen = self.policy.encode(prompt)
        if seen is None:
            return None
        screenshot = prompt.observation.screenshot
        return Turn(seen.prompt_text, "", "", "", prompt_ids=seen.prompt_ids, screenshot=screenshot, shown=seen.shown)

    def _failed(
        self,
        request: EpisodeRequest,
        instruction: str,
        turns: tuple[Turn, ...],
        penalty: float,
        error: InfrastructureError,
    ) -> Trajectory:
        reason = f"{error.kind}: {error}"
        return Trajectory(request.key, instruction, turns, "infrastructure", None, reason, penalty, self.policy.version)


def _verdict(task: Task, turns: int, score: Score | None) -> tuple[Outcome | None, float | None, str]:
    """Return outcome, value and reason of an episode; no outcome while it goes on."""
    if score is not None:
        return score.outcome, score.value, score.reason
    if turns >= task.max_steps:
        return "truncated", 0.0, f"not done after {turns} actions"
    return None, None, ""
