"""A rollout worker without Ray: what its calls say when it is closed while it plays, and what its policy is shown."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from agentgym.episode import EpisodeKey
from agentgym.errors import SessionStateError
from agentgym.policy.sight import Sight
from agentgym.rollout.collector import EpisodeRequest
from agentgym.rollout.worker import RolloutWorker, WorkerSpec
from tests.tiny_families import FAMILIES
from tests.toy_world import TOY, ToyWorld

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agentgym.action import Action

pytestmark = pytest.mark.usefixtures("toy_plugin")

BOUND_S = 30.0  # far more than a toy needs


def test_what_waits_when_a_worker_is_closed_is_refused_and_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    stepping, go_on = Event(), Event()

    class Slow(ToyWorld):
        def reset(self, instances: Any) -> Any:
            calls.append("reset")
            return super().reset(instances)

        def step(self, actions: Mapping[int, Action]) -> Any:
            stepping.set()
            go_on.wait(BOUND_S)
            return super().step(actions)

        def close(self) -> None:
            calls.append("close")
            super().close()

    monkeypatch.setattr("tests.toy_world.ToyWorld", Slow)
    worker = RolloutWorker(WorkerSpec("toy", "oracle", False, 0.05, 1.0, 8, 1), sessions=1)
    with ThreadPoolExecutor(4) as callers:
        played = [callers.submit(worker.play, request(0))]
        assert stepping.wait(BOUND_S)
        played += [callers.submit(worker.play, request(seed)) for seed in (1, 2)]
        while len(worker._waiting) < 2:
            assert not played[0].done()
        closed = callers.submit(worker.close)
        while not worker._closing:
            assert not closed.done()
        go_on.set()
        closed.result(BOUND_S)
        for each in played:
            with pytest.raises(SessionStateError, match="closed"):
                each.result(BOUND_S)
    assert calls == ["reset", "close"]


def test_a_worker_shows_its_policy_what_it_was_told_to(tmp_path: Path) -> None:
    family = next(each for each in FAMILIES if each.name == "Qwen3-VL")
    spec = WorkerSpec(
        "toy",
        str(family.save(tmp_path)),
        screenshots=False,  # for the report; the policy asks for its own
        malformed_penalty=0.05,
        temperature=1.0,
        max_new_tokens=2,
        threads=1,
        thinking_tokens=2,
        sight=Sight(screenshots=2, longest_side=64),
    )
    worker = RolloutWorker(spec, sessions=1)
    try:
        other = family.model(seed=1)
        worker.prepare(other.state_dict(), version=3, seed="a")
        trajectory = worker.play(request(0)).trajectory
    finally:
        worker.close()
    assert trajectory.policy_version == 3
    assert {turn.shown for turn in trajectory.turns} == {1, 2}
    assert all(turn.screenshot is not None for turn in trajectory.turns)


def request(seed: int) -> EpisodeRequest:
    return EpisodeRequest(EpisodeKey("toy/press", seed), TOY["toy/press"])
