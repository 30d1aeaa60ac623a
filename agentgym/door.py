"""What `agentgym.evaluate` and `agentgym.train` do: the commands of the same names, from Python, by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentgym.errors import ConfigError
from agentgym.policy.base import MAX_NEW_TOKENS
from agentgym.policy.sight import BLIND, Sight
from agentgym.policy.speech import DEFAULT, Speech

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym.evaluate.evaluation import Evaluation
    from agentgym.policy.base import Policy
    from agentgym.task import Split, Task
    from agentgym.train.run import RunSummary


def evaluate(
    tasks: str | Task | Sequence[str | Task],
    policy: str | Path | Policy,
    *,
    episodes: int = 20,
    first_seed: int = 0,
    split: Split = "test",
    num_slots: int = 8,
    folder: Path | None = None,
    threads: int | None = None,
    dialect: str = DEFAULT,
    temperature: float = 0.0,
    max_new_tokens: int = MAX_NEW_TOKENS,
    thinking_tokens: int = 0,
    sight: Sight = BLIND,
    chat_template: Path | None = None,
) -> Evaluation:
    """Score a policy on tasks, with the command's own defaults.

    Args:
        tasks: task ids and suite names, a list or separated by commas, or tasks of your own, as objects.
        policy: ``"oracle"``, ``"random"``, ``"nano"``, a checkpoint folder, or an object, see docs/policies.md.
        episodes: episodes a task, >= 1.
        first_seed: index of the first seed in the split.
        split: which seeds.
        num_slots: episodes played side by side.
        folder: where trajectories are kept, so that a second call goes on where the first stopped; with the same
            policy only, see `agentgym.evaluate.player`.
        threads: PyTorch threads of a checkpoint that is given by name; None leaves one core to the world.
        dialect: in which a policy that is given by name writes actions, see docs/dialects.md; objects have theirs.
        temperature: of sampling from a checkpoint that is given by name; 0 takes the most likely token.
        max_new_tokens: tokens of such a checkpoint's completion at most; most dialects need more.
        thinking_tokens: of a thought before an action at most, on top of these; 0 asks for none.
        sight: what such a checkpoint is shown; screenshots are for models that see.
        chat_template: a file with a chat template, for a checkpoint that has none.

    Raises:
        UnknownNameError: no task, suite, policy or dialect has the name.
        ConfigError: what was given is no task or no policy; the policy can play none of the tasks, the dialect's scale
            does not fit, or the folder keeps episodes of another policy, is a training run's, or is being written by
            another process.
        CheckpointError: the policy's folder is not a checkpoint.
        StoreError: the note that says whose episodes the folder keeps cannot be read.
    """
    from agentgym.evaluate.evaluation import evaluate as evaluate_tasks
    from agentgym.evaluate.player import check_place, check_player, named_player, note_player
    from agentgym.lock import hold
    from agentgym.policy.base import Policy
    from agentgym.policy.loading import load_policy
    from agentgym.registry import select_tasks

    if not isinstance(policy, str | Path | Policy):
        raise ConfigError(
            "A policy is 'oracle', 'random', 'nano', a checkpoint folder or an object of a subclass of agentgym.Policy;"
            f" got {policy!r}. See docs/policies.md."
        )
    chosen = select_tasks(tasks)
    sampling: dict[str, Any] = {
        "dialect": dialect,
        "temperature": temperature,
        "max_new_tokens": max_new_tokens,
        "thinking_tokens": thinking_tokens,
        "sight": sight,
        "chat_template": chat_template,
    }
    if isinstance(policy, str | Path):
        Speech(dialect)  # a wrong one is told before anything is read
        player = named_player(str(policy), **sampling)
    else:
        player = {"policy": policy.name, "dialect": policy.speech.name}
    if folder is not None:
        check_place(folder)
    with hold(folder):
        if folder is not None:
            check_player(folder, player)
        loaded = load_policy(str(policy), threads=threads, **sampling) if isinstance(policy, str | Path) else policy
        if folder is not None:
            note_player(folder, player)
        return evaluate_tasks(
            chosen,
            loaded,
            episodes=episodes,
            first_seed=first_seed,
            split=split,
            num_slots=num_slots,
            folder=folder,
        )


def train(recipe: str | Path, *overrides: str, resume: bool = False) -> RunSummary:
    """Run a training job, with progress on standard error.

    Args:
        recipe: name of a recipe that ships with agentgym, or path of a YAML file.
        overrides: changes of single keys, as in ``"seed=3"`` or ``"grpo.learning_rate=1e-4"``.
        resume: go on from the run's last checkpoint.

    Raises:
        ConfigError: a key or value is wrong.
        UnknownNameError: there is no such recipe, task or policy.
    """
    from rich.console import Console

    from agentgym.train.config import load_config
    from agentgym.train.run import train as run_training

    return run_training(load_config(str(recipe), list(overrides)), resume=resume, console=Console(stderr=True))
