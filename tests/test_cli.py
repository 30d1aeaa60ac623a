"""The command line: what it answers, and that every mistake is one message and an exit code, never a traceback."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psutil
import pytest
import typer
import yaml

from agentgym.cli.main import app
from agentgym.rollout.store import TrajectoryStore
from agentgym.train.folder import RunFolder
from tests.cli_answer import Answer
from tests.full_disk import disk_with_room_for
from tests.toy_world import ToyWorld, write_plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agentgym.action import Action

ROOT = Path(__file__).parent.parent
WAIT_S = 300.0
MARK = "AGENTGYM_TEST_MARK"  # an environment variable that all descendants of a command inherit
COMMANDS = ("tasks", "eval", "train", "report", "doctor")

pytestmark = pytest.mark.usefixtures("toy_plugin")


def command(*arguments: object, before: str = "") -> list[str]:
    """The command in a process of its own, after some Python."""
    code = f"{before}\nfrom agentgym.cli.main import main\nmain()"
    return [sys.executable, "-c", code, *map(str, arguments)]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """In which a process of its own finds the toy world."""
    plugin = tmp_path_factory.mktemp("toy-plugin")
    write_plugin(plugin)
    path = os.pathsep.join([str(plugin), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", MARK: uuid4().hex}


def marked(mark: str) -> list[psutil.Process]:
    """The living processes that a command has started, itself among them."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {WAIT_S} s for: {what}"
        time.sleep(0.05)


def recipe(path: Path, model: Path, **changes: Any) -> Path:
    """A run of seconds, as a file."""
    document = {
        "model": str(model),
        "tasks": ["toy/press"],
        "generations": 1,
        "groups": 1,
        "group_size": 2,
        "sessions": 2,
        "max_new_tokens": 8,
        "threads": 1,
        "evaluation": {"episodes": 1, "shown": 0},
        "grpo": {"learning_rate": 1e-3},
        **changes,
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_tasks_are_listed_and_described(agentgym: Callable[..., Answer]) -> None:
    listed = agentgym("tasks", "--suite", "toy")
    assert (listed.code, "toy/press" in listed.out, "toy/fill" in listed.out) == (0, True, True)
    assert "miniwob/click-button" in agentgym("tasks").out
    one = agentgym("tasks", "toy/press")
    assert "Press the button that the instruction names." in one.out
    rows = json.loads(agentgym("tasks", "--json", "--suite", "toy").out)
    assert [row["id"] for row in rows] == ["toy/press", "toy/fill"]
    assert rows[0] == json.loads(agentgym("tasks", "toy/press", "--json").out)[0]
    assert rows[0]["suites"] == ["toy"]


def test_the_doctor_looks_at_packages_worlds_and_the_machine(agentgym: Callable[..., Answer]) -> None:
    answer = agentgym("doctor")
    found = {
        line.split()[1].rstrip(":"): line.split()[0] for line in answer.out.splitlines() if line[:2] in {"ok", "fa"}
    }
    assert {"torch", "trl", "gymnasium", "browser", "toy", "memory", "disk", "processor"} <= found.keys()
    assert answer.code == ("fail" in found.values())


def test_the_doctor_tells_a_missing_browser(agentgym: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTGYM_CHROMIUM", "/nonexistent")
    answer = agentgym("doctor")
    assert answer.code == 1
    assert "fail browser world: " in answer.out


def test_eval_writes_exactly_the_keys_that_are_promised(agentgym: Callable[..., Answer], tmp_path: Path) -> None:
    file = tmp_path / "new" / "result.json"
    answer = agentgym("eval", "--policy", "oracle", "--tasks", "toy", "--episodes", 3, "--json", file)
    assert answer.code == 0
    result = json.loads(file.read_text())
    assert result.keys() == {
        "success", "ci95", "tasks", "unplayed", "last_failure", "left_out", "steps_per_s", "versions", "dialect",
    }  # fmt: skip
    assert result["tasks"].keys() == {"toy/press", "toy/fill"}
    for task in result["tasks"].values():
        assert task.keys() == {
            "success", "ci95", "episodes", "infrastructure_failures", "unplayed", "mean_steps",
        }  # fmt: skip
    assert (result["success"], result["tasks"]["toy/fill"]["mean_steps"]) == (1.0, 2.0)
    assert "toy/press" in answer.out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_option_and_says_what_it_does(
    agentgym: Callable[..., Answer], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    parameters = typer.main.get_command(app).commands[name].params  # type: ignore[attr-defined]  # typer's group
    answer = agentgym(name, "--help")
    assert answer.code == 0
    for parameter in parameters:
        assert parameter.name == "help" or parameter.help, f"{name} {parameter.name} has no help"
        if parameter.param_type_name == "option":
            assert all(option in answer.out for option in parameter.opts)


def test_all_commands_are_in_the_help(agentgym: Callable[..., Answer]) -> None:
    answer = agentgym("--help")
    assert all(name in answer.out for name in COMMANDS)
    assert typer.main.get_command(app).commands.keys() == set(COMMANDS)  # type: ignore[attr-defined]  # typer's group


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["eval", "--policy", "oracle", "--tasks", "toy/pres"], "No task 'toy/pres'. Did you mean 'toy/press'?"),
        (["eval", "--policy", "oracle", "--tasks", "miniwob-quickstrat"], "Did you mean 'miniwob-quickstart'?"),
        (["eval", "--policy", "orcale"], "No policy or checkpoint folder 'orcale'. Did you mean 'oracle'?"),
        (["eval", "--policy", str(ROOT / "docs")], "is not a model checkpoint: it has no config.json"),
        (["eval", "--policy", "oracle", "--tasks", ","], "No tasks were given."),
        (["tasks", "miniwob/click-buton"], "Did you mean 'miniwob/click-button'?"),
        (["tasks", "--suite", "minwob"], "No suite 'minwob'. Did you mean 'miniwob'?"),
        (["train", "quikstart"], "Did you mean 'quickstart'?"),
        (["train", "quickstart", "seed"], "'seed' is not an override; write KEY=VALUE"),
        (["train", "quickstart", "sed=3"], "Unknown key 'sed'. Did you mean 'seed'?"),
        (["train", "quickstart", "grpo.learning_rate=abc"], "grpo.learning_rate: "),
        (["train", "quickstart", "model=nowhere"], "No policy or checkpoint folder 'nowhere'. "),
        (["train", "quickstart", "model=random"], "No policy or checkpoint folder 'random'. Did you mean 'nano'?"),
        (["eval", "--policy", "oracle", "--seeds", str(2**31)], "Seed index 2147483648 is outside of the test split"),
        (
            ["eval", "--policy", "oracle", "--split", "train", "--seeds", "1000000"],
            "the train split, which has 1,000,000",
        ),
        (["train", "quickstart", "tasks=[toy/pres]"], "Did you mean 'toy/press'?"),
        (
            ["eval", "--policy", "oracle", "--dialect", "json-tool"],
            "No dialect 'json-tool'. Did you mean 'json-tools'?",
        ),
        (
            ["eval", "--policy", "random", "--dialect", "browsergym@9"],
            "'browsergym@9': it knows element ids, and has no",
        ),
        (["train", "quickstart", "dialect=hermes"], "No dialect 'hermes'. Did you mean 'hermes-tools'?"),
    ],
)
def test_a_mistake_is_one_message(agentgym: Callable[..., Answer], arguments: list[str], message: str) -> None:
    answer = agentgym(*arguments)
    assert answer.code == 1
    assert message in answer.message


@pytest.mark.parametrize("arguments", [["eval"], ["eval", "--policy", "oracle", "--episodes", "0"], ["fly"]])
def test_wrong_usage_is_exit_code_2(agentgym: Callable[..., Answer], arguments: list[str]) -> None:
    assert agentgym(*arguments).code == 2


def test_a_missing_browser_is_one_message(agentgym: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTGYM_CHROMIUM", "/nonexistent")
    answer = agentgym("eval", "--policy", "oracle", "--tasks", "miniwob/click-button", "--episodes", 1)
    assert answer.code == 1
    assert "/nonexistent" in answer.message


def test_a_report_of_nothing_is_one_message(agentgym: Callable[..., Answer], tmp_path: Path) -> None:
    answer = agentgym("report", tmp_path / "nothing")
    assert (answer.code, "nothing" in answer.message) == (1, True)


@pytest.mark.parametrize("option", ["--out", "--json"])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_played(
    agentgym: Callable[..., Answer], tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ToyWorld, "reset", lambda *_: pytest.fail("played"))
    (tmp_path / "file").write_text("")
    answer = agentgym("eval", "--policy", "oracle", "--tasks", "toy", option, tmp_path / "file" / "deeper")
    assert answer.code == 1
    assert "Look at its permissions, free some space" in answer.message
    assert str(tmp_path / "file") in answer.message


def test_a_file_in_the_place_of_a_run_is_told(
    agentgym: Callable[..., Answer], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    path = recipe(tmp_path / "mine.yaml", tiny_checkpoint)
    assert "is not a run's folder" in agentgym("train", path, "--out", path).message
    assert "There is no run to resume" in agentgym("train", path, "--resume", "--out", tmp_path / "none").message


def test_a_corrupt_trajectory_file_is_named(agentgym: Callable[..., Answer], tmp_path: Path) -> None:
    arguments = ("eval", "--policy", "oracle", "--tasks", "toy", "--episodes", 2, "--out", tmp_path)
    assert agentgym(*arguments).code == 0
    (shard,) = TrajectoryStore(tmp_path).shards()
    shard.write_bytes(shard.read_bytes()[:-100])
    answer = agentgym(*arguments)
    assert answer.code == 1
    assert f"{shard} is not a readable trajectory file" in answer.message


WITHOUT = """
import sys
from importlib.machinery import PathFinder


class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] == "torch" else super().find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""


@pytest.mark.parametrize("what", ["eval", "train"])
def test_a_missing_torch_is_told_with_the_command_that_installs_it(
    environment: dict[str, str], tiny_checkpoint: Path, tmp_path: Path, what: str
) -> None:
    arguments: dict[str, list[object]] = {
        "eval": ["--policy", tiny_checkpoint, "--tasks", "toy"],
        "train": [recipe(tmp_path / "mine.yaml", tiny_checkpoint), "--out", tmp_path / "run"],
    }
    done = subprocess.run(
        command(what, *arguments[what], before=WITHOUT), env=environment, capture_output=True, text=True, check=False
    )
    answer = Answer(done.returncode, done.stdout, done.stderr)
    assert answer.code == 1, answer.err
    assert "pip install -e '.[train]'" in answer.message
    assert not (tmp_path / "run").exists()


def test_a_full_disk_while_evaluating_is_one_message(environment: dict[str, str], tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))"
    done = subprocess.run(
        command("eval", "--policy", "oracle", "--tasks", "toy", "--out", tmp_path, before=limit),
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    answer = Answer(done.returncode, done.stdout, done.stderr)
    assert answer.code == 1, answer.err
    assert f"cannot be written to {tmp_path}: " in answer.message
    assert f"{os.strerror(errno.EFBIG)}. Free some space" in answer.message
    assert list(TrajectoryStore(tmp_path).read()) == []
    assert not list(tmp_path.glob("*.parquet*"))


def test_a_full_disk_while_training_is_one_message_and_the_run_goes_on_later(
    agentgym: Callable[..., Answer], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    path, out = recipe(tmp_path / "mine.yaml", tiny_checkpoint), tmp_path / "run"
    with disk_with_room_for(1_000_000):  # episodes fit, the model does not
        answer = agentgym("train", path, "--out", out)
    assert answer.code == 1
    assert f"{out} cannot be written: " in answer.message
    assert "Free some space, then go on with --resume." in answer.message
    resumed = agentgym("train", path, "--out", out, "--resume")
    assert resumed.code == 0, resumed.err
    assert (out / "report.html").is_file()
    assert [line["generation"] for line in RunFolder(out).read_progress()] == [0]


def test_ctrl_c_keeps_what_was_played_and_the_same_command_goes_on(
    agentgym: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("eval", "--policy", "oracle", "--tasks", "toy", "--episodes", 40, "--out", tmp_path)
    step, calls = ToyWorld.step, 0

    def interrupted(self: ToyWorld, actions: Mapping[int, Action]) -> Any:
        nonlocal calls
        calls += 1
        if calls == 8:
            raise KeyboardInterrupt
        return step(self, actions)

    with monkeypatch.context() as patch:
        patch.setattr(ToyWorld, "step", interrupted)
        answer = agentgym(*arguments)
    assert answer.code == 130
    assert answer.message.startswith("agentgym: Interrupted. `eval --out` and `train` keep what was finished")
    kept = [str(each.key) for each in TrajectoryStore(tmp_path).read()]
    assert 10 < len(kept) < 80

    assert agentgym(*arguments).code == 0
    everything = [str(each.key) for each in TrajectoryStore(tmp_path).read()]
    assert everything[: len(kept)] == kept
    assert len(everything) == len(set(everything)) == 80


def interrupt(arguments: list[str], environment: dict[str, str], when: Callable[[], object]) -> Answer:
    """Start a command, press Ctrl-C once something holds, and see all that it started end."""
    mark = uuid4().hex
    with subprocess.Popen(
        arguments,
        env={**environment, MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        wait_for(lambda: process.poll() is not None or when(), "something to interrupt")
        assert any("headless" in " ".join(each.cmdline()) for each in marked(mark)), "no browser runs"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        out, err = process.communicate(timeout=WAIT_S)
    wait_for(lambda: not marked(mark), "the end of all processes")
    return Answer(process.returncode, out, err)


def test_ctrl_c_while_evaluating_leaves_no_browser(environment: dict[str, str], tmp_path: Path) -> None:
    arguments = command(
        "eval", "--policy", "random", "--tasks", "miniwob/click-button", "--episodes", 100_000, "--out", tmp_path
    )
    answer = interrupt(arguments, environment, lambda: TrajectoryStore(tmp_path).shards())
    assert answer.code == 130
    assert answer.message.startswith("agentgym: Interrupted.")
    kept = [each.key for each in TrajectoryStore(tmp_path).read()]
    assert len(kept) == len(set(kept)) >= 64


def test_ctrl_c_while_training_leaves_no_browser_and_keeps_whole_generations(
    environment: dict[str, str], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    path = recipe(tmp_path / "mine.yaml", tiny_checkpoint, tasks=["miniwob/click-button"], generations=100_000)
    folder = RunFolder(tmp_path / "run")
    answer = interrupt(command("train", path, "--out", folder.path), environment, folder.read_progress)
    assert answer.code == 130
    assert answer.message.startswith("agentgym: Interrupted.")
    lines = folder.read_progress()
    versions = {each.policy_version for each in folder.store("train").read()}
    assert set(range(len(lines))) <= versions <= set(range(len(lines) + 1))
    assert not list(folder.path.rglob("*.tmp"))
