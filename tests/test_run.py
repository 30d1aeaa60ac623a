"""Whole runs of a tiny model in the toy world: the folder, interruptions, and what is refused."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from rich.console import Console
from transformers import AutoModelForCausalLM, AutoTokenizer

from agentgym.errors import ConfigError, InfrastructureError, SessionCrashedError, StoreError, UnknownNameError
from agentgym.lock import FolderLock
from agentgym.policy.chat import ChatEncoder
from agentgym.policy.prompt import system_message
from agentgym.policy.speech import Speech
from agentgym.rollout.store import TrajectoryStore
from agentgym.task import TEST_SEEDS
from agentgym.train.config import EvaluationConfig, RayConfig, TrainConfig
from agentgym.train.folder import RunFolder
from agentgym.train.run import RunSummary, train
from tests.toy_world import ToyWorld

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from agentgym.task import Instance

ROOT = Path(__file__).parent.parent
GENERATIONS, GROUPS, GROUP_SIZE, EPISODES = 4, 2, 4, 4
FIRST_SEED = 7
CLOCKS = {"seconds", "minutes", "env_share", "policy_share", "learn_share"}  # of a progress line

pytestmark = pytest.mark.usefixtures("toy_plugin")


class Run(NamedTuple):
    config: TrainConfig
    folder: RunFolder
    summary: RunSummary
    said: str


def configuration(model: Path, out: Path, **changes: Any) -> TrainConfig:
    settings: dict[str, Any] = {
        "name": "toy",
        "model": str(model),
        "tasks": ("toy/press",),
        "out": out,
        "generations": GENERATIONS,
        "groups": GROUPS,
        "group_size": GROUP_SIZE,
        "sessions": 4,
        "max_new_tokens": 8,
        "checkpoint_every": 1,
        "threads": 1,
        "evaluation": EvaluationConfig(episodes=EPISODES, first_seed=FIRST_SEED, shown=1),
        "grpo": {
            "learning_rate": 1e-3,
            "lr_scheduler_type": "constant",
            "loss_type": "dapo",
            "steps_per_generation": 2,
            "gradient_accumulation_steps": 1,
        },
        **changes,
    }
    return TrainConfig(**settings)


def run(config: TrainConfig, *, resume: bool = False) -> tuple[RunSummary, str]:
    """Train, and return the summary and what was said."""
    said = io.StringIO()
    summary = train(config, resume=resume, console=Console(file=said, width=200))
    return summary, said.getvalue()


@pytest.fixture(scope="module")
def finished(toy_plugin: None, toy_player: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = configuration(toy_player, tmp_path_factory.mktemp("runs") / "toy")
    return Run(config, RunFolder(config.folder), *run(config))


def final_weights(folder: RunFolder) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = AutoModelForCausalLM.from_pretrained(folder.final).state_dict()
    return weights


def without_clocks(folder: RunFolder) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key not in CLOCKS} for line in folder.read_progress()]


def played(folder: RunFolder, part: str) -> list[str]:
    return [f"{each.policy_version} {each.key}" for each in folder.store(part).read()]


def test_a_run_leaves_what_its_folder_promises(finished: Run) -> None:
    folder = finished.folder
    assert {path.name for path in folder.path.iterdir()} == {
        "config.yaml", "before.json", "after.json", "progress.jsonl", "trajectories", "checkpoints", "metrics",
        "summary.json", "report.html", ".lock",
    }  # fmt: skip
    assert "<html" in (folder.path / "report.html").read_text()
    counts = {part: len(played(folder, part)) for part in ("before", "train", "after", "shown-before", "shown-after")}
    training = GENERATIONS * GROUPS * GROUP_SIZE
    assert counts == {"before": EPISODES, "train": training, "after": EPISODES, "shown-before": 1, "shown-after": 1}
    assert all(len(set(played(folder, part))) == count for part, count in counts.items())
    for part in ("before", "after"):
        seeds = sorted(each.key.seed for each in folder.store(part).read())
        assert seeds == [TEST_SEEDS + FIRST_SEED + index for index in range(EPISODES)]
    versions = {
        part: {each.policy_version for each in folder.store(part).read()} for part in ("before", "train", "after")
    }
    assert versions == {"before": {0}, "train": set(range(GENERATIONS)), "after": {GENERATIONS}}
    assert all(turn.screenshot is not None for each in folder.store("shown-after").read() for turn in each.turns)


def test_the_summary_says_what_was_done(finished: Run) -> None:
    summary = json.loads((finished.folder.path / "summary.json").read_text())
    assert RunSummary(**summary) == finished.summary
    assert (summary["tasks"], summary["dialect"]) == (["toy/press"], "call-text")
    assert summary["episodes"] == GENERATIONS * GROUPS * GROUP_SIZE
    assert (summary["seed"], summary["infrastructure_failures"]) == (0, 0)
    for part in ("before", "after"):
        low, high = summary[part]["ci95"]
        assert 0 <= low <= summary[part]["success"] <= high <= 1
        assert summary[part]["episodes"] == EPISODES
    assert summary["env_steps"] >= summary["episodes"] + 2 * EPISODES
    assert summary["steps_per_s"] > 0
    assert 0 < summary["train_minutes"] <= summary["wall_minutes"]
    assert {"python", "torch", "trl"} <= summary["versions"].keys()
    before = summary["before"]["success"]
    assert f"success {before:.3f} -> {summary['after']['success']:.3f}" in finished.said


def test_a_run_speaks_the_dialect_of_its_configuration_and_records_it(toy_player: Path, tmp_path: Path) -> None:
    changes = {"generations": 1, "groups": 1, "max_new_tokens": 2, "evaluation": EvaluationConfig(episodes=1, shown=0)}
    config = configuration(toy_player, tmp_path / "run", dialect="openai-computer", **changes)
    summary, _ = run(config)
    folder = RunFolder(config.folder)
    assert summary.dialect == json.loads((folder.path / "summary.json").read_text())["dialect"] == "openai-computer"
    assert "<span>dialect openai-computer</span>" in (folder.path / "report.html").read_text()
    turns = [turn for part in ("before", "train", "after") for each in folder.store(part).read() for turn in each.turns]
    assert turns
    assert all(" at (50, 20)" in turn.prompt for turn in turns)  # the middle of the first button, and no id
    encoder = ChatEncoder(
        AutoTokenizer.from_pretrained(folder.final), system_message(Speech(config.dialect).on((160, 120)))
    )
    assert all(list(turn.prompt_ids) == encoder.encode(turn.prompt) for turn in turns)


def test_training_moved_the_model_and_it_loads_with_plain_transformers(finished: Run, toy_player: Path) -> None:
    before = AutoModelForCausalLM.from_pretrained(toy_player).state_dict()
    after = final_weights(finished.folder)
    assert after.keys() == before.keys()
    moved = max((after[name].float() - before[name].float()).abs().max().item() for name in after)
    assert 1e-4 < moved < 1
    assert (finished.folder.final / "tokenizer.json").is_file()
    assert sum(line["rows"] for line in finished.folder.read_progress()) > 0


def test_metrics_hold_the_success_of_every_generation(finished: Run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished.folder.metrics))
    events.Reload()
    values = [event.value for event in events.Scalars("train/episodes/success")]
    assert values == pytest.approx([line["success"] for line in finished.folder.read_progress()])


def test_progress_lines_tell_generation_by_generation(finished: Run) -> None:
    lines = finished.folder.read_progress()
    assert [line["generation"] for line in lines] == list(range(GENERATIONS))
    for line in lines:
        assert line["episodes"] == GROUPS * GROUP_SIZE
        assert line["tasks"] == {"toy/press": {"success": line["success"], "episodes": line["episodes"]}}
        assert line["env_share"] + line["policy_share"] + line["learn_share"] <= 1.01


@pytest.mark.parametrize(
    ("where", "done", "checkpoint_every"),
    [
        pytest.param("append_progress", 2, 1, id="trajectories-are-written-and-their-line-is-not"),
        pytest.param("store", 3, 2, id="a-whole-generation-after-the-last-checkpoint"),
    ],
)
def test_a_resumed_run_ends_as_one_that_was_not_stopped(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, done: int, checkpoint_every: int
) -> None:
    changes = {"out": tmp_path / "run", "name": "other", "checkpoint_every": checkpoint_every}
    config = finished.config.model_copy(update=changes)
    folder = RunFolder(config.folder)

    def stop(self: RunFolder, argument: Any) -> Any:
        if (isinstance(argument, dict) or argument == "train") and len(self.read_progress()) == done:
            raise KeyboardInterrupt
        return method(self, argument)

    method = getattr(RunFolder, where)
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, where, stop)
        with pytest.raises(KeyboardInterrupt):
            run(config)
    assert [line["generation"] for line in folder.read_progress()] == list(range(done))
    assert len(played(folder, "train")) == 3 * GROUPS * GROUP_SIZE

    summary, said = run(config, resume=True)
    assert "moved" not in said
    weights, expected = final_weights(folder), final_weights(finished.folder)
    assert max((weights[name] - expected[name]).abs().max().item() for name in expected) <= 1e-6
    assert without_clocks(folder) == without_clocks(finished.folder)
    assert sorted(played(folder, "train")) == sorted(played(finished.folder, "train"))
    assert summary.before == finished.summary.before
    assert summary.after == finished.summary.after


def test_resuming_a_finished_run_says_so_and_does_nothing(finished: Run) -> None:
    def state() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in finished.folder.path.rglob("*") if path.is_file()}

    before = state()
    summary, said = run(finished.config, resume=True)
    assert summary == finished.summary
    assert "is finished; nothing is left to do" in said
    changed = {Path(path).name for path, time in state().items() if time != before[path]}
    assert changed <= {"config.yaml"}


def test_a_run_is_resumed_only_as_the_same_run(finished: Run) -> None:
    other = finished.config.model_copy(update={"grpo": {**finished.config.grpo, "learning_rate": 2e-3}})
    with pytest.raises(ConfigError, match=r"^grpo\.learning_rate: the run in .* has 0\.001, now it is 0\.002"):
        run(other, resume=True)
    more = finished.config.evaluation.model_copy(update={"episodes": 5})
    with pytest.raises(ConfigError, match=r"^evaluation\.episodes: "):
        run(finished.config.model_copy(update={"evaluation": more}), resume=True)
    with pytest.raises(ConfigError, match=r"^dialect: the run in .* has 'call-text', now it is 'json-tools'"):
        run(finished.config.model_copy(update={"dialect": "json-tools"}), resume=True)
    longer = finished.config.model_copy(update={"max_minutes": 5.0, "threads": 2, "sessions": 2})
    assert run(longer, resume=True)[0] == finished.summary


def test_there_must_be_a_run_to_resume(toy_player: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no run to resume in"):
        run(configuration(toy_player, tmp_path / "none"), resume=True)
    assert not (tmp_path / "none").exists()


def test_an_earlier_run_moves_aside(toy_player: Path, tmp_path: Path) -> None:
    config = configuration(toy_player, tmp_path / "run")
    folder = RunFolder(config.folder)
    with FolderLock(folder.path) as lock:
        assert folder.begin(config, lock) is None
        folder.append_progress({"generation": 0})
        assert [folder.begin(config, lock), folder.begin(config, lock)] == [tmp_path / "run.1", tmp_path / "run.2"]
    assert RunFolder(tmp_path / "run.1").read_progress() == [{"generation": 0}]
    assert folder.read_progress() == []


def test_a_folder_of_something_else_is_refused(toy_player: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="exists and is not a run's folder"):
        run(configuration(toy_player, tmp_path))
    with pytest.raises(ConfigError, match="exists and is not a run's folder"):
        run(configuration(toy_player, tmp_path / "thesis.tex"))
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_mistakes_are_told_before_a_folder_is_made(toy_player: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(UnknownNameError, match="Did you mean 'toy/press'"):
        run(configuration(toy_player, out, tasks=("toy/pres",)))
    with pytest.raises(ConfigError, match="a run plays in one world, these need browser, toy"):
        run(configuration(toy_player, out, tasks=("toy/press", "miniwob/click-button")))
    with pytest.raises(UnknownNameError, match="No policy or checkpoint folder"):
        run(configuration(tmp_path / "nowhere", out))
    with pytest.raises(ConfigError, match=r"steps_per_generation \* num_iterations \(3\) must be a multiple"):
        run(configuration(toy_player, out, grpo={"steps_per_generation": 3, "gradient_accumulation_steps": 2}))
    with pytest.raises(ConfigError, match=r"TRL refuses the settings: .*sideways"):
        run(configuration(toy_player, out, grpo={"lr_scheduler_type": "sideways"}))
    for setting in ({"learning_rate": -1.0}, {"adam_beta1": 2.0}):
        with pytest.raises(
            ConfigError, match=r"TRL refuses the settings: Invalid (learning rate: -1.0|beta parameter)"
        ):
            run(configuration(toy_player, out, grpo=setting))
    assert not out.exists()


def test_a_progress_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "progress.jsonl").write_text('{"generation": 0}\n{"gener')
    assert RunFolder(tmp_path).read_progress() == [{"generation": 0}]


def test_a_result_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "before.json").write_text("{")
    with pytest.raises(StoreError, match=r"before\.json is not readable JSON"):
        RunFolder(tmp_path).read_json("before.json")


def test_a_time_limit_ends_training_and_not_the_run(finished: Run, tmp_path: Path) -> None:
    config = finished.config.model_copy(update={"out": tmp_path / "run", "max_minutes": 1e-6})
    summary, _ = run(config)
    assert summary.generations == 1
    assert summary.after["episodes"] == EPISODES


def failing(monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
    """Let the toy world fail the first resets of each training instance."""
    reset, count = ToyWorld.reset, {"failed": 0}

    def broken(self: ToyWorld, instances: Mapping[int, Instance]) -> Any:
        for slot, instance in instances.items():
            if instance.seed < TEST_SEEDS and count["failed"] < times:
                count["failed"] += 1
                self.fail(slot, SessionCrashedError("the toy broke"))
        return reset(self, instances)

    monkeypatch.setattr(ToyWorld, "reset", broken)


def test_a_machine_that_fails_most_episodes_ends_the_run(
    toy_player: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, times=10**6)
    config = configuration(toy_player, tmp_path / "run", generations=1)
    with pytest.raises(
        InfrastructureError, match=r"failed 24 of 24 episodes of generation 0, such as toy/press#.*session_crashed: the"
    ):
        run(config)
    assert not RunFolder(config.folder).final.exists()


def test_failures_of_the_machine_are_counted_and_played_again(
    toy_player: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, times=3)
    config = configuration(toy_player, tmp_path / "run", generations=1)
    summary, _ = run(config)
    (line,) = RunFolder(config.folder).read_progress()
    assert (line["infrastructure_failures"], line["episodes"]) == (3, GROUPS * GROUP_SIZE)
    assert (summary.infrastructure_failures, summary.episodes) == (3, GROUPS * GROUP_SIZE)


def test_a_run_whose_episodes_are_played_by_workers_is_the_same_kind_of_run(
    toy_player: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.toy_world import write_plugin

    plugin = tmp_path_factory.mktemp("toy-plugin")
    write_plugin(plugin)
    monkeypatch.setenv("PYTHONPATH", f"{plugin}{os.pathsep}{ROOT}")  # where the workers look for the toy world
    config = configuration(
        toy_player,
        tmp_path / "run",
        generations=2,
        ray=RayConfig(enabled=True, workers=2),
        evaluation=EvaluationConfig(episodes=EPISODES, shown=0),
    )
    summary, _ = run(config)
    folder = RunFolder(config.folder)
    assert summary.episodes == 2 * GROUPS * GROUP_SIZE
    assert {each.policy_version for each in folder.store("train").read()} == {0, 1}
    assert len(set(played(folder, "train"))) == summary.episodes
    assert AutoModelForCausalLM.from_pretrained(folder.final).num_parameters() > 0

    import ray

    assert not ray.is_initialized()


def test_a_scoring_that_was_lost_is_made_again_from_its_episodes(finished: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder.path, copy)
    (copy / "after.json").unlink()
    (copy / "summary.json").unlink()
    summary, _ = run(finished.config.model_copy(update={"out": copy}), resume=True)
    assert summary.after == finished.summary.after  # from the episodes that were kept
    assert len(list(TrajectoryStore(copy / "trajectories" / "after").read())) == EPISODES


def test_a_corrupt_line_of_progress_is_an_error_unless_it_is_the_last(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / "progress.jsonl").write_text('{"generation": 0}\n{"generation": 1}\n{"genera')
    assert [line["generation"] for line in folder.read_progress()] == [0, 1]
    (tmp_path / "progress.jsonl").write_text('{"generation": 0}\n{"genera\n{"generation": 2}\n')
    with pytest.raises(StoreError, match="line 2"):
        folder.read_progress()
