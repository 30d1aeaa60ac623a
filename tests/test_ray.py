"""Rollout workers, on a Ray that is started for this file."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import agentgym
from agentgym.episode import EpisodeKey
from agentgym.errors import (
    CheckpointError,
    ConfigError,
    MissingDependencyError,
    TaskError,
    UnknownNameError,
    WorkerLostError,
)
from agentgym.policy.oracle import OraclePolicy
from agentgym.policy.random import RandomPolicy
from agentgym.registry import get_task
from agentgym.rollout import cluster, workers
from agentgym.rollout.collector import Collector, EpisodeRequest
from agentgym.rollout.worker import Waiting
from agentgym.rollout.workers import RayCollector
from tests.toy_world import TOY, PressTask, ToyWorld, write_plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agentgym.episode import Trajectory
    from agentgym.task import Task

ROOT = Path(__file__).parent.parent
WAIT_S = 60.0


@pytest.fixture(scope="module")
def ray_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Ray on this machine, whose workers find the toy world by its entry points."""
    import ray

    folder = tmp_path_factory.mktemp("toy-plugin")
    write_plugin(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{ROOT}")
        assert cluster.connect(None)
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def toy_workers(ray_here: Any) -> Iterator[RayCollector]:
    with RayCollector("toy", "oracle", workers=2, sessions=5) as collector:
        yield collector
    assert ray_here.is_initialized()  # it was not the collector that started it


class BrokenTask(PressTask):
    """Its oracle has a bug."""

    id = "toy/broken"

    def oracle(self, observation: Any) -> Any:
        raise ZeroDivisionError(f"a bug in {self.id}")


class HopelessTask(PressTask):
    """It has no oracle."""

    id = "toy/hopeless"

    def oracle(self, observation: Any) -> Any:
        return None


class DeadlyTask(PressTask):
    """Kills the process that plays it: always, or until a file is there."""

    id = "toy/deadly"

    def __init__(self, once: Path | None = None) -> None:
        self.once = once

    def oracle(self, observation: Any) -> Any:
        if self.once is None or not self.once.exists():
            if self.once is not None:
                self.once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().oracle(observation)


def requests(task: Task, count: int) -> list[EpisodeRequest]:
    return [EpisodeRequest(EpisodeKey(task.id, seed), task) for seed in range(count)]


def worker_processes() -> list[psutil.Process]:
    """The rollout workers of this process's own Ray."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::RolloutWorker"):
                found.append(process)
        except psutil.Error:
            continue
    return found


def newest_worker() -> psutil.Process:
    return max(worker_processes(), key=lambda process: process.create_time())


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {WAIT_S} s for: {what}"
        time.sleep(0.02)


def keys(trajectories: Sequence[Trajectory]) -> set[EpisodeKey]:
    return {each.key for each in trajectories if each.outcome != "infrastructure"}


def test_importing_loads_neither_ray_nor_torch() -> None:
    code = "import sys, agentgym.rollout.workers; assert not {'ray', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_an_episode_that_comes_in_joins_those_that_run() -> None:
    long, short = requests(TOY["toy/fill"], 1)[0], requests(TOY["toy/press"], 1)[0]
    offers = iter([long, None, None, short])  # None: nothing waits when asked
    collector = Collector(ToyWorld(num_slots=2), OraclePolicy())
    played = list(collector.collect(Waiting(lambda: next(offers, None))))
    assert {each.key for each in played} == {long.key, short.key}
    assert collector.stats.turns == 3


@pytest.mark.parametrize("address", ["127.0.0.1:1", "auto"])
def test_an_address_that_nobody_answers_is_told_at_once(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # what auto means then
    with pytest.raises(ConfigError, match=r"No Ray cluster answers .* `ray start --head`"):
        RayCollector("toy", "random", address=address)


def test_what_is_no_address_is_told() -> None:
    with pytest.raises(ConfigError, match="write auto or host:port"):
        RayCollector("toy", "random", address="somewhere")


def test_a_missing_ray_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match="need Ray"):
        RayCollector("toy", "random")


def test_every_request_comes_back_once_from_all_workers(toy_workers: RayCollector) -> None:
    before = toy_workers.stats.episodes
    wanted = [request for task in TOY.tasks for request in requests(task, 30)]
    played = list(toy_workers.collect(iter(wanted)))
    assert sorted(str(each.key) for each in played) == sorted(str(request.key) for request in wanted)
    assert all(each.success and each.policy_version == 0 for each in played)
    assert toy_workers.stats.episodes - before == 60
    assert toy_workers.stats.turns >= 90
    assert toy_workers.stats.env_s > 0
    assert len(worker_processes()) == 2


def test_no_requests_give_no_trajectories(toy_workers: RayCollector) -> None:
    assert list(toy_workers.collect([])) == []


def test_random_play_is_the_same_as_in_this_process(ray_here: Any) -> None:
    wanted = requests(TOY["toy/fill"], 12)
    here = {each.key: each for each in Collector(ToyWorld(num_slots=3), RandomPolicy()).collect(wanted)}
    with RayCollector("toy", "random", workers=1, sessions=2, screenshots=True) as collector:
        there = list(collector.collect(wanted))
        assert there[0].turns[0].screenshot is not None
    assert {each.key: each for each in there} == here


def test_what_an_earlier_caller_left_is_not_mixed_with_the_next(toy_workers: RayCollector) -> None:
    left = toy_workers.collect(requests(TOY["toy/fill"], 20))
    next(left)
    left.close()  # type: ignore[attr-defined]  # it is a generator
    played = list(toy_workers.collect(requests(TOY["toy/fill"], 20)))
    assert sorted(each.key.seed for each in played) == list(range(20))


def test_a_bug_in_a_worker_raises_with_its_own_traceback(toy_workers: RayCollector) -> None:
    with pytest.raises(TaskError, match="a bug in toy/broken") as caught:
        list(toy_workers.collect(requests(BrokenTask(), 3)))
    assert "oracle" in str(caught.value)
    assert keys(list(toy_workers.collect(requests(PressTask(), 3)))) == {EpisodeKey("toy/press", n) for n in range(3)}


def test_an_error_of_ours_in_a_worker_comes_out_as_itself(toy_workers: RayCollector) -> None:
    with pytest.raises(ConfigError, match=r"^Task 'toy/hopeless' has no oracle") as caught:
        list(toy_workers.collect(requests(HopelessTask(), 1)))
    assert type(caught.value) is ConfigError


def test_a_killed_worker_costs_no_episode(toy_workers: RayCollector, tmp_path: Path) -> None:
    failures = toy_workers.stats.infrastructure_failures
    wanted = [*requests(PressTask(), 40), *requests(DeadlyTask(tmp_path / "died"), 1), *requests(TOY["toy/fill"], 40)]
    played = list(toy_workers.collect(wanted))
    lost = [each for each in played if each.outcome == "infrastructure"]
    assert keys(played) == {request.key for request in wanted}
    assert all(each.success for each in played if each.outcome != "infrastructure")
    assert any(each.key.task_id == "toy/deadly" for each in lost)
    assert all(each.score is None and each.reason.startswith("worker_lost: rollout worker") for each in lost)
    assert toy_workers.stats.infrastructure_failures - failures == len(lost)
    list(toy_workers.collect(requests(PressTask(), 10)))
    wait_for(lambda: len(worker_processes()) == 2, "the worker's successor")


def test_workers_that_only_die_are_an_error(ray_here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "LOSSES_PER_WORKER", 2)
    with RayCollector("toy", "oracle", workers=1, sessions=1) as collector:
        played = collector.collect(requests(DeadlyTask(), 1))
        assert [next(played).outcome, next(played).outcome] == ["infrastructure"] * 2
        with pytest.raises(WorkerLostError, match="died 2 times in a row"):
            next(played)


@pytest.fixture(scope="module")
def model(ray_here: Any) -> Any:
    """An untrained model, small enough to load at once."""
    from agentgym.nano.model import build_model
    from agentgym.nano.tokenizer import build_tokenizer

    return build_model(build_tokenizer(), seed=0, layers=1)


@pytest.fixture(scope="module")
def model_workers(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCollector]:
    from agentgym.nano.tokenizer import build_tokenizer

    folder = tmp_path_factory.mktemp("model") / "tiny"
    model.save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    with RayCollector("toy", folder, workers=1, sessions=1, max_new_tokens=4) as collector:
        yield collector


def test_a_seed_repeats_what_one_session_samples(model_workers: RayCollector) -> None:
    def sample(seed: int) -> list[tuple[int, ...]]:
        model_workers.seed(seed)
        played = model_workers.collect(requests(TOY["toy/press"], 2))
        return [turn.completion_ids for each in played for turn in each.turns]

    assert sample(1) == sample(1) != sample(2)


def test_published_weights_play_and_their_version_is_recorded(model_workers: RayCollector, model: Any) -> None:
    uniform = -math.log(model.config.vocab_size)  # log-probability of any token where all weights are 0

    def play(version: int) -> list[float]:
        played = [each for each in model_workers.collect(requests(TOY["toy/press"], 2)) if each.score is not None]
        assert [each.policy_version for each in played] == [version] * 2
        return [value for each in played for turn in each.turns for value in turn.logprobs]

    assert max(abs(value - uniform) for value in play(0)) > 0.01
    weights = {name: tensor.clone().zero_() for name, tensor in model.state_dict().items()}
    model_workers.publish(weights, 3)
    for tensor in weights.values():
        tensor.fill_(1)  # training goes on, and changes nothing there
    published = play(3)
    assert published == pytest.approx([uniform] * len(published))
    newest_worker().kill()
    successor = play(3)  # has the newest weights
    assert successor == pytest.approx([uniform] * len(successor))


def test_a_checkpoint_that_cannot_be_loaded_comes_out_as_itself(ray_here: Any, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="No policy or checkpoint folder"):
        RayCollector("toy", tmp_path / "nowhere")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot be loaded") as caught:
        RayCollector("toy", tmp_path, workers=1)
    assert type(caught.value) is CheckpointError


def test_weights_for_a_scripted_policy_are_refused(toy_workers: RayCollector) -> None:
    with pytest.raises(ConfigError, match="oracle policy has no weights"):
        toy_workers.publish({}, 1)


def test_workers_need_a_session_each(ray_here: Any) -> None:
    with pytest.raises(ConfigError, match="sessions=2 must be >= workers=3"):
        RayCollector("toy", "random", workers=3, sessions=2)


def test_workers_that_find_no_place_are_an_error(ray_here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PLACEMENT_S", 0.2)
    monkeypatch.setattr(workers, "CPUS_PER_WORKER", 1000)
    with pytest.raises(ConfigError, match=r"a place for 0 of 1 rollout workers .* Set ray\.workers lower"):
        RayCollector("toy", "random", workers=1)


def test_no_browser_outlives_its_worker(ray_here: Any) -> None:
    task = get_task("miniwob/click-button")
    with RayCollector("browser", "random", workers=1, sessions=2) as collector:
        played = list(collector.collect(requests(task, 6)))
        assert keys(played) == {EpisodeKey(task.id, seed) for seed in range(6)}
        worker = newest_worker()
        browser = worker.children(recursive=True)
        assert any("headless" in " ".join(process.cmdline()) for process in browser)
        worker.send_signal(signal.SIGKILL)
        wait_for(lambda: not any(process.is_running() for process in browser), "the end of a killed worker's browser")
        assert keys(list(collector.collect(requests(task, 2)))) == {EpisodeKey(task.id, seed) for seed in range(2)}
        browser = newest_worker().children(recursive=True)
        assert browser
    assert not any(process.is_running() for process in browser)


class Player:
    """An actor of a user's own, with an environment in it."""

    def __init__(self) -> None:
        self.env = agentgym.make("miniwob/click-button")

    def play(self) -> tuple[bool, list[int]]:
        self.env.reset(seed=0)
        terminated = self.env.step("done()")[2]
        return terminated, [process.pid for process in psutil.Process().children(recursive=True)]


def test_an_environment_runs_in_an_actor_and_ends_with_it(ray_here: Any) -> None:
    player = ray_here.remote(Player).remote()
    terminated, pids = ray_here.get(player.play.remote())
    assert terminated
    assert len(pids) >= 3
    ray_here.kill(player)
    wait_for(lambda: not any(map(psutil.pid_exists, pids)), "the end of a killed actor's browser")


ENDLESS = """
import itertools
import sys
from agentgym.episode import EpisodeKey
from agentgym.registry import get_task
from agentgym.rollout.collector import EpisodeRequest
from agentgym.rollout.workers import RayCollector

task = get_task("miniwob/click-button")
with RayCollector("browser", "random", workers=1, sessions=2, address=sys.argv[1]) as collector:
    requests = (EpisodeRequest(EpisodeKey(task.id, seed), task) for seed in itertools.count())
    for _ in collector.collect(requests):
        print("playing", flush=True)
"""


def test_ctrl_c_ends_the_workers_of_a_cluster_that_was_joined(ray_here: Any) -> None:
    others = set(worker_processes())
    address = ray_here.get_runtime_context().gcs_address
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    ) as driver:
        assert driver.stdout is not None
        first = driver.stdout.readline()
        assert first == "playing\n", driver.communicate()[1]
        (worker,) = set(worker_processes()) - others
        processes = [worker, *worker.children(recursive=True)]
        os.killpg(driver.pid, signal.SIGINT)  # as a terminal does
        _, errors = driver.communicate(timeout=WAIT_S)
    assert "KeyboardInterrupt" in errors
    wait_for(lambda: not any(process.is_running() for process in processes), "the end of worker and browser")
    assert ray_here.get(ray_here.put(1)) == 1  # the cluster goes on
