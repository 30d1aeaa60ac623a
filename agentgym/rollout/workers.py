"""Episodes played by rollout workers: Ray actors, each with a world and a policy of its own.

Every worker is handed more episodes than it has sessions, so that a session that becomes free never waits for a
message, and whoever is free first gets the next: a slow worker holds up nothing but what it plays. A worker that dies
is replaced, with the newest weights; what it was playing becomes trajectories of outcome ``infrastructure`` and is
played again by others. A bug in a worker raises here.

Sampling repeats only roughly: workers are seeded, but which episodes share a batch depends on who is free first.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from agentgym.episode import Trajectory
from agentgym.errors import AgentGymError, ConfigError, WorkerLostError
from agentgym.policy.base import MAX_NEW_TOKENS
from agentgym.policy.loading import SCRIPTED, checkpoint_folder
from agentgym.policy.sight import BLIND, Sight
from agentgym.policy.speech import DEFAULT, Speech
from agentgym.rollout.cluster import connect
from agentgym.rollout.collector import CollectorStats
from agentgym.rollout.worker import RolloutWorker, WorkerSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from agentgym.episode import EpisodeKey
    from agentgym.rollout.collector import EpisodeRequest
    from agentgym.rollout.worker import PlayedEpisode

CPUS_PER_WORKER = 0.5  # what Ray reckons with: two fit beside a learner on two cores, and take turns with it
PLACEMENT_S = 60.0  # how long Ray may take to find a place for a worker
CLOSING_S = 10.0  # how long workers may take to end their worlds before they are killed
QUEUED_AHEAD = 2  # episodes that a worker is handed, in multiples of its sessions
LOSSES_PER_WORKER = 5  # so many deaths, nothing finished in between: it is not one deadly episode, which is given up


class _Order(NamedTuple):
    """What workers play with; compared by identity, each change makes a new one."""

    weights: Any = None
    """Reference of a state dict in the object store, or None for the checkpoint's own."""
    version: int = 0
    seed: int | None = None


@dataclass(eq=False)
class _Worker:
    """A worker as seen from here."""

    number: int
    life: int
    """How many of this number have died before it."""
    sessions: int
    actor: Any
    placed: Any
    """Reference that is there once Ray has found a place for it."""
    order: _Order | None = None
    """What it was last told to play with."""
    preparing: Any = None
    """Reference that is there once it plays with that; None then."""
    playing: dict[Any, EpisodeRequest] = field(default_factory=dict)

    @property
    def load(self) -> float:
        """Episodes that it has been handed, a session."""
        return len(self.playing) / self.sessions


class RayCollector:
    """Plays episodes in rollout workers; an `agentgym.rollout.collector.EpisodeSource`.

    A worker's policy runs on CPUs. On a cluster, agentgym and the checkpoint's folder must be on every node.

    Args:
        world: name of the world.
        policy: ``random``, ``oracle``, ``nano`` or the folder of a checkpoint.
        workers: how many, >= 1.
        sessions: sessions in all workers together, >= ``workers``.
        address: Ray cluster to join, ``auto`` or ``host:port``; None starts one on this machine.
        malformed_penalty: as in `Collector`.
        temperature: of sampling; 0 takes the most likely token.
        max_new_tokens: tokens of a completion at most.
        screenshots: whether observations, and so trajectories, carry screenshots.
        threads: PyTorch threads a worker.
        retries: how often an episode is played again after the machine failed.
        dialect: in which the policy writes actions, see `Speech`.
        thinking_tokens: of a thought before an action at most.
        sight: what the policy is shown; screenshots are for models that see.
        chat_template: a file with the template that is used instead of the checkpoint's.

    Raises:
        ConfigError: no cluster at the address, too few CPUs for the workers, or fewer sessions than workers.
        MissingDependencyError: Ray, or what the world or the policy needs, is not installed.
        UnknownNameError: there is no such world, policy, folder or dialect.
        CheckpointError: the folder is not a loadable checkpoint.
    """

    def __init__(
        self,
        world: str,
        policy: str | Path,
        *,
        workers: int = 2,
        sessions: int = 16,
        address: str | None = None,
        malformed_penalty: float = 0.05,
        temperature: float = 1.0,
        max_new_tokens: int = MAX_NEW_TOKENS,
        screenshots: bool = False,
        threads: int = 1,
        retries: int = 2,
        dialect: str = DEFAULT,
        thinking_tokens: int = 0,
        sight: Sight = BLIND,
        chat_template: Path | None = None,
    ) -> None:
        if not 1 <= workers <= sessions:
            raise ConfigError(f"Each worker needs a session: sessions={sessions} must be >= workers={workers} >= 1.")
        name = str(policy) if str(policy) in SCRIPTED else str(checkpoint_folder(str(policy)).resolve())
        Speech(dialect)  # a wrong one is told before anything starts
        self.stats = CollectorStats()
        """What was done in all workers; their seconds add up, so there may be more than have passed."""
        self._spec = WorkerSpec(
            world,
            name,
            screenshots,
            malformed_penalty,
            temperature,
            max_new_tokens,
            threads,
            dialect,
            thinking_tokens,
            sight,
            None if chat_template is None else chat_template.resolve(),
        )
        self._retries = retries
        self._order = _Order()
        self._losses = 0
        self._workers: list[_Worker] = []
        self._connected = connect(address)
        try:
            shares = [sessions // workers + (number < sessions % workers) for number in range(workers)]
            self._workers = [self._launch(number, share) for number, share in enumerate(shares)]
            self._check_placement(timeout_s=PLACEMENT_S)
            while any(worker.preparing is not None for worker in self._workers):
                self._settle()
                self._check_losses()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"RayCollector({self._spec.world!r}, {self._spec.policy!r}, workers={len(self._workers)})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(self, state_dict: Mapping[str, Any], version: int) -> None:
        """Hand new weights to the workers; episodes that start from the next `collect` on are played with them.

        Args:
            state_dict: of the model that the checkpoint holds; copied, so that training may go on at once.
            version: what trajectories made with them carry.

        Raises:
            ConfigError: the policy has no weights.
        """
        if self._spec.policy in SCRIPTED:
            raise ConfigError(f"The {self._spec.policy} policy has no weights to publish; play with a checkpoint.")
        import ray

        weights = {name: tensor.detach().cpu() for name, tensor in state_dict.items()}
        self._order = self._order._replace(weights=ray.put(weights), version=version)

    def seed(self, seed: int) -> None:
        """Seed the sampling from the next `collect` on, each worker by this, the version and its number."""
        self._order = self._order._replace(seed=seed)

    def collect(self, requests: Iterable[EpisodeRequest]) -> Iterator[Trajectory]:
        """Play every request; yield each trajectory when its episode ends, in order of ending.

        A request whose machine failed, or whose worker died, is yielded once a failure, and played again up to
        ``retries`` times.

        Raises:
            WorkerLostError: workers die again and again, and nothing is finished in between.
            AgentGymError: what a worker raised on purpose, such as `ConfigError` for a task without an oracle.
        """
        self._let_end()
        waiting = iter(requests)
        again: deque[EpisodeRequest] = deque()
        failures: dict[EpisodeKey, int] = {}
        while True:
            self._prepare()
            wanting = self._hand_out(again, waiting)
            if wanting and not any(worker.playing for worker in self._workers):
                return
            for request, trajectory in self._settle():
                self.stats.episodes += 1
                self.stats.turns += len(trajectory.turns)
                if trajectory.outcome == "infrastructure":
                    self.stats.infrastructure_failures += 1
                    failures[request.key] = failures.get(request.key, 0) + 1
                    if failures[request.key] <= self._retries:
                        again.append(request)
                yield trajectory
            self._check_losses()

    def close(self) -> None:
        """End the workers and their worlds, and Ray if it was started here; may be called twice."""
        import ray

        workers, self._workers = self._workers, []
        connected, self._connected = self._connected, False  # Ray may be another's by the second call
        if not ray.is_initialized():
            return
        try:
            placed = {worker.placed: worker for worker in workers}
            alive, _ = ray.wait(list(placed), num_returns=len(placed), timeout=0) if placed else ([], [])
            closing = [placed[ref].actor.close.remote() for ref in alive]
            if closing:
                ray.wait(closing, num_returns=len(closing), timeout=CLOSING_S)
        finally:
            for worker in workers:
                ray.kill(worker.actor)
            if connected:
                ray.shutdown()

    def _launch(self, number: int, sessions: int, *, life: int = 0) -> _Worker:
        """Start a worker and tell it what to play with."""
        import ray

        actor_class = ray.remote(RolloutWorker).options(
            num_cpus=CPUS_PER_WORKER,
            max_restarts=0,  # replaced from here, with the newest weights
            max_task_retries=0,  # an episode that is played again is counted
            max_concurrency=QUEUED_AHEAD * sessions + 2,  # the episodes, `prepare` and `close`
            scheduling_strategy="SPREAD",
        )
        actor = actor_class.remote(self._spec, sessions=sessions)
        worker = _Worker(number, life, sessions, actor, actor.__ray_ready__.remote())
        self._tell(worker)
        return worker

    def _tell(self, worker: _Worker) -> None:
        """Tell a worker what to play with from now on."""
        weights, version, seed = self._order
        text = None if seed is None else f"{seed} {version} {worker.number} {worker.life}"
        worker.order = self._order
        worker.preparing = worker.actor.prepare.remote(weights, version, text)

    def _let_end(self) -> None:
        """Wait for episodes that an earlier caller left, by an error or by `break`: they would play among the next."""
        import ray

        left = [ref for worker in self._workers for ref in worker.playing]
        if left:
            ray.wait(left, num_returns=len(left), fetch_local=False)
        for worker in self._workers:
            worker.playing.clear()

    def _prepare(self) -> None:
        """Tell those who do not know yet what is played with; they get no episodes before they are done."""
        for worker in self._workers:
            if worker.preparing is None and worker.order is not self._order:
                self._tell(worker)

    def _hand_out(self, again: deque[EpisodeRequest], waiting: Iterator[EpisodeRequest]) -> bool:
        """Hand episodes to whoever has least to do; return whether a worker would take more than there are."""
        while True:
            free = [each for each in self._workers if each.preparing is None and each.load < QUEUED_AHEAD]
            if not free:
                return False
            request = again.popleft() if again else next(waiting, None)
            if request is None:
                return True
            worker = min(free, key=lambda each: each.load)
            worker.playing[worker.actor.play.remote(request)] = request

    def _settle(self) -> list[tuple[EpisodeRequest, Trajectory]]:
        """Wait until something has ended; return the episodes that have, also those of workers that died."""
        import ray

        refs = {ref: worker for worker in self._workers for ref in worker.playing}
        alone = not refs  # nobody plays: workers are being prepared
        refs |= {worker.preparing: worker for worker in self._workers if worker.preparing is not None}
        ready, _ = ray.wait(list(refs), num_returns=1, timeout=PLACEMENT_S if alone else None)
        if not ready:
            self._check_placement(timeout_s=0)
            return []
        ready, _ = ray.wait(list(refs), num_returns=len(refs), timeout=0)
        ended: list[tuple[EpisodeRequest, Trajectory]] = []
        lost: dict[_Worker, Exception] = {}
        for ref in ready:
            worker = refs[ref]
            try:
                result = ray.get(ref)
            except ray.exceptions.RayTaskError as error:
                if ref is worker.preparing:
                    worker.preparing = worker.order = None  # told again by the next `collect`
                if isinstance(error.cause, AgentGymError):
                    raise error.cause from error
                raise
            except _losses() as error:
                lost[worker] = error
                continue
            if ref is worker.preparing:
                worker.preparing = None
            else:
                ended.append((worker.playing.pop(ref), self._count(result)))
        for worker, death in lost.items():
            ended += self._replace(worker, death)
        return ended

    def _count(self, played: PlayedEpisode) -> Trajectory:
        self._losses = 0
        self.stats.env_s += played.env_s
        self.stats.policy_s += played.policy_s
        return played.trajectory

    def _replace(self, worker: _Worker, error: Exception) -> list[tuple[EpisodeRequest, Trajectory]]:
        """Start another worker instead of one that died; return what it was playing, as failed by the machine."""
        import ray

        self._losses += 1
        ray.kill(worker.actor)  # it may only be cut off
        self._workers[worker.number] = self._launch(worker.number, worker.sessions, life=worker.life + 1)
        lost = WorkerLostError(f"rollout worker {worker.number} died: {' '.join(str(error).split())}")
        version, reason = (worker.order or self._order).version, f"{lost.kind}: {lost}"
        return [
            (request, Trajectory(request.key, "", (), "infrastructure", None, reason, policy_version=version))
            for request in worker.playing.values()
        ]

    def _check_losses(self) -> None:
        """Raise if workers only die."""
        if self._losses >= LOSSES_PER_WORKER * len(self._workers):
            raise WorkerLostError(
                f"Rollout workers died {self._losses} times in a row, and no episode was finished in between. Look for "
                "the reason in the logs under /tmp/ray/session_latest/logs; often memory runs out: fewer workers or "
                "sessions need less."
            )

    def _check_placement(self, *, timeout_s: float) -> None:
        """Raise unless Ray finds a place for all workers that are being prepared."""
        import ray

        placed = [worker.placed for worker in self._workers if worker.preparing is not None]
        there, missing = ray.wait(placed, num_returns=len(placed), timeout=timeout_s)
        if missing:
            raise ConfigError(
                f"Ray found a place for {len(there)} of {len(placed)} rollout workers within {PLACEMENT_S:.0f} s. Each "
                f"takes {CPUS_PER_WORKER} CPUs; the cluster has {ray.cluster_resources().get('CPU', 0)}, of which "
                f"{ray.available_resources().get('CPU', 0)} are free. Set ray.workers lower, or add nodes."
            )


def _losses() -> tuple[type[Exception], ...]:
    """Return what Ray raises where a worker, or what it returned, is gone."""
    from ray import exceptions

    return (
        exceptions.RayActorError,
        exceptions.NodeDiedError,
        exceptions.ObjectLostError,
        exceptions.OutOfMemoryError,
        exceptions.WorkerCrashedError,
    )
