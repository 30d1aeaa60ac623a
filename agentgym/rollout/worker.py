"""One rollout worker: a world and a policy in a process of their own, playing the episodes that they are handed.

Runs inside a Ray actor, and knows nothing of Ray. Calls come from many threads; one thread does the work, because a
world and a model belong to one. Sessions are kept full: an episode that is handed in joins those that run as soon as
a session is free. A bug raises in every call whose episode it ended, and the worker goes on with the next.
"""

from __future__ import annotations

import threading
import zlib
from collections import defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from agentgym.errors import SessionStateError
from agentgym.policy.loading import SCRIPTED, load_policy
from agentgym.policy.sight import BLIND, Sight
from agentgym.policy.speech import DEFAULT
from agentgym.registry import make_world
from agentgym.rollout.collector import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from agentgym.episode import EpisodeKey, Trajectory
    from agentgym.rollout.collector import EpisodeRequest

CLOSED = "The rollout worker is closed; open another collector."


@dataclass(frozen=True)
class WorkerSpec:
    """What a worker is made of."""

    world: str
    policy: str
    """``random``, ``oracle``, or the folder of a checkpoint, by a path that holds on the worker's machine."""
    screenshots: bool
    malformed_penalty: float
    temperature: float
    max_new_tokens: int
    threads: int
    """PyTorch threads."""
    dialect: str = DEFAULT
    """In which the policy writes actions; a package that brings one must be on the worker's machine."""
    thinking_tokens: int = 0
    """Of a thought before an action at most."""
    sight: Sight = BLIND
    """What the policy is shown; with screenshots of its own, the world takes them."""
    chat_template: Path | None = None
    """A file with the template that is used instead of the checkpoint's; by a path, as the checkpoint."""


class PlayedEpisode(NamedTuple):
    """An episode that has ended, and the seconds that the worker has spent since the one before."""

    trajectory: Trajectory
    env_s: float
    policy_s: float


class RolloutWorker:
    """Plays episodes, each call returning when its own has ended.

    Args:
        spec: what it is made of; opened behind the first call, which raises whatever that raises.
        sessions: how many episodes run side by side, >= 1.
    """

    def __init__(self, spec: WorkerSpec, *, sessions: int) -> None:
        self._spec = spec
        self._sessions = sessions
        self._waiting: deque[tuple[EpisodeRequest, Future[PlayedEpisode]]] = deque()
        self._playing: defaultdict[EpisodeKey, deque[Future[PlayedEpisode]]] = defaultdict(deque)
        self._spent = (0.0, 0.0)
        self._holds = 0
        self._holding = threading.Lock()
        self._closing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="agentgym-worker")
        self._opened = self._thread.submit(self._open)

    def prepare(self, weights: Mapping[str, Any] | None, version: int, seed: str | None) -> None:
        """Take new weights and seed the sampling, as soon as no episode runs: every episode has one version.

        Args:
            weights: a state dict; None keeps those that are there.
            version: of the weights; the trajectories made with them carry it.
            seed: any text; None leaves the generator as it is.
        """
        self._opened.result()
        self._alone(lambda: self._prepare(weights, version, seed))

    def play(self, request: EpisodeRequest) -> PlayedEpisode:
        """Play an episode; a failed machine is a trajectory, and is not tried again here."""
        self._opened.result()
        if self._closing:
            raise SessionStateError(CLOSED)
        episode: Future[PlayedEpisode] = Future()
        self._waiting.append((request, episode))
        self._thread.submit(self._play)
        return episode.result()

    def close(self) -> None:
        """End the world; episodes that run are given up after their current turn."""
        self._closing = True
        self._alone(self._close)

    def _alone(self, work: Callable[[], None]) -> None:
        """Do something while no episode runs; those that wait go on afterwards."""
        with self._holding:
            self._holds += 1
        try:
            self._thread.submit(work).result()
        finally:
            with self._holding:
                self._holds -= 1
            self._thread.submit(self._play)

    def _open(self) -> None:
        spec = self._spec
        self._policy = load_policy(
            spec.policy,
            dialect=spec.dialect,
            threads=spec.threads,
            device="cpu",
            temperature=spec.temperature,
            max_new_tokens=spec.max_new_tokens,
            thinking_tokens=spec.thinking_tokens,
            sight=spec.sight,
            chat_template=spec.chat_template,
        )
        shown = spec.screenshots or spec.sight.screenshots > 0
        self._world = make_world(spec.world, num_slots=self._sessions, screenshot=shown)
        self._collector = Collector(
            self._world,
            self._policy,
            malformed_penalty=spec.malformed_penalty,
            retries=0,  # whoever handed it in decides, and may choose another worker
            on_turns=self._stop_if_closing,
        )

    def _prepare(self, weights: Mapping[str, Any] | None, version: int, seed: str | None) -> None:
        if self._spec.policy in SCRIPTED:
            assert weights is None, "scripted policies have no weights"
            return
        import torch

        from agentgym.policy.transformers import TransformersPolicy

        assert isinstance(self._policy, TransformersPolicy)
        if weights is not None:
            self._policy.model.load_state_dict(weights)
            self._policy.version = version
        if seed is not None:
            torch.manual_seed(zlib.crc32(seed.encode()))

    def _close(self) -> None:
        if self._opened.exception() is None:
            self._world.close()

    def _play(self) -> None:
        """Play what waits; whatever ends the playing raises where its episodes were handed in."""
        if self._closing:  # playing would open the world again
            while self._waiting:
                self._waiting.popleft()[1].set_exception(SessionStateError(CLOSED))
            return
        try:
            for trajectory in self._collector.collect(Waiting(self._next)):
                self._playing[trajectory.key].popleft().set_result(self._played(trajectory))
        except BaseException as error:  # noqa: BLE001 (raised in the calls that wait for it)
            for episodes in self._playing.values():
                for episode in episodes:
                    episode.set_exception(error)
        self._playing.clear()

    def _next(self) -> EpisodeRequest | None:
        """Take an episode that waits; none while something is to be done between episodes."""
        if self._holds or not self._waiting:
            return None
        request, episode = self._waiting.popleft()
        self._playing[request.key].append(episode)
        return request

    def _played(self, trajectory: Trajectory) -> PlayedEpisode:
        before, stats = self._spent, self._collector.stats
        self._spent = (stats.env_s, stats.policy_s)
        return PlayedEpisode(trajectory, stats.env_s - before[0], stats.policy_s - before[1])

    def _stop_if_closing(self, _turns: int) -> None:
        if self._closing:
            raise SessionStateError("The rollout worker was closed while it played.")


class Waiting:
    """The episodes that wait, as an iterator that ends where none does, and goes on when asked later.

    The collector asks at every turn that has a free session, so what comes in while it plays is played with the rest.
    """

    def __init__(self, take: Callable[[], EpisodeRequest | None]) -> None:
        self._take = take

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> EpisodeRequest:
        request = self._take()
        if request is None:
            raise StopIteration
        return request
