"""The learner of a run: the model, who plays with it, TRL's trainer, and what is noted of each generation."""

from __future__ import annotations

import dataclasses
import os
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch
import transformers
from trl import GRPOConfig

from agentgym.errors import ConfigError, InfrastructureError
from agentgym.evaluate.progress import Played, show_progress
from agentgym.policy.loading import checkpoint_folder, prepare_torch
from agentgym.policy.sight import Sight
from agentgym.policy.speech import Speech
from agentgym.policy.transformers import TransformersPolicy
from agentgym.registry import make_world
from agentgym.rollout.collector import Collector, CollectorStats
from agentgym.rollout.workers import RayCollector
from agentgym.train.advantage import GroupAdvantage
from agentgym.train.checkpoint import last_checkpoint
from agentgym.train.lora import add_adapters, merged
from agentgym.train.memory import MemoryWatch
from agentgym.train.ppo import AgentPPOTrainer
from agentgym.train.rewards import Shaping
from agentgym.train.trainer import AgentGRPOTrainer, Generation, Schedule, optimizer_steps_per_generation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from agentgym.rollout.collector import EpisodeSource
    from agentgym.task import Task
    from agentgym.train.config import TrainConfig
    from agentgym.train.folder import RunFolder

KEPT_CHECKPOINTS = 3


class Learner:
    """A model that is scored and trained.

    Args:
        config: of the run.
        folder: of the run; a model that was trained to the end is taken from there.
        tasks: what is played, of one world.
        console: where progress is shown.

    Raises:
        CheckpointError: the model cannot be loaded.
    """

    def __init__(self, config: TrainConfig, folder: RunFolder, tasks: Sequence[Task], console: Console) -> None:
        prepare_torch(config.threads)
        torch.manual_seed(config.seed)
        self.config = config
        self.folder = folder
        self.tasks = tasks
        self.memory = MemoryWatch()
        self._console = console
        self.trained = (folder.final / "config.json").is_file()
        self._checkpoint = folder.final if self.trained else checkpoint_folder(config.model)
        options: dict[str, Any] = {
            "max_new_tokens": config.max_new_tokens,
            "speech": Speech(config.dialect),
            "thinking_tokens": config.thinking_tokens,
        }
        self._sight = Sight(**config.vision.model_dump())
        self._template = None if self.trained else config.chat_template  # a trained model was saved with it
        self._player = TransformersPolicy.from_pretrained(
            self._checkpoint,
            temperature=config.temperature,
            sight=self._sight,
            chat_template=self._template,
            **options,
        )
        self._adapted: Any = None  # the PEFT model around the player's, where adapters are learnt
        self.scorer = TransformersPolicy(
            self._player.model,
            self._player.tokenizer,
            temperature=config.evaluation.temperature,
            vision=self._player.vision,
            **options,
        )
        self.version = len(folder.read_progress()) if self.trained else 0

    @contextmanager
    def episode_source(self, *, screenshots: bool) -> Iterator[EpisodeSource]:
        """Open what plays the episodes of a scoring."""
        with ExitStack() as stack:
            yield self._open(stack, self.scorer, screenshots=screenshots)

    @property
    def version(self) -> int:
        """Generations that the weights have learnt from; the trajectories that they make carry it."""
        return self._player.version

    @version.setter
    def version(self, generations: int) -> None:
        self._player.version = self.scorer.version = generations

    def train(self) -> None:
        """Train to the end, from the last checkpoint if there is one, and save the final model.

        Raises:
            ConfigError: TRL refuses the settings under ``grpo``.
            InfrastructureError: the machine failed most episodes of a generation.
            StoreError: checkpoints are there, and all of them are broken.
        """
        if self.trained:
            return
        config, folder = self.config, self.folder
        args = grpo_arguments(config, folder)
        per_generation = optimizer_steps_per_generation(**vars(args))
        checkpoint, generations = last_checkpoint(folder, per_generation, self._say)
        folder.rewind(generations)
        total = config.generations * config.groups * config.group_size
        if config.lora.rank:
            self._adapted = add_adapters(self._player.model, **config.lora.model_dump())
        with ExitStack() as stack:
            source = self._open(stack, self._player, screenshots=False)
            progress = stack.enter_context(show_progress(self._console, "training", total=total, unit="episodes"))
            journal = _Journal(self, source, progress)
            with mock.patch.dict(os.environ, TENSORBOARD_LOGGING_DIR=str(folder.metrics)):
                trainer = make_trainer(
                    config,
                    model=self._adapted or self._player.model,
                    processing_class=self._player.tokenizer,
                    args=args,
                    source=source,
                    schedule=Schedule(self.tasks, config.groups, config.group_size, config.seed),
                    on_generation=journal.note,
                    before_collect=lambda index: self._publish(source, index),
                    vision=self._player.vision,
                    callbacks=[_TimeLimit(config.max_minutes, per_generation)],
                )
            trainer.remove_callback(transformers.PrinterCallback)
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
            journal.end()
            aside = folder.final.with_name("final.tmp")
            self._save(trainer, aside)
            aside.rename(folder.final)  # whole or not there: it says that training has ended
        self.trained, self.version = True, len(folder.read_progress())

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _save(self, trainer: AgentGRPOTrainer, path: Path) -> None:
        """Write the trained model, whole; what adapters have learnt is merged into it, and also kept apart."""
        if self._adapted is None:
            trainer.save_model(str(path))
            return
        trainer.save_model(str(path / "adapter"))
        self._player.model = self.scorer.model = self._adapted.merge_and_unload()
        self._adapted = None
        self._player.model.save_pretrained(path)
        self._player.tokenizer.save_pretrained(path)
        if self._player.vision is not None:
            self._player.vision.save(path)

    def _open(self, stack: ExitStack, policy: TransformersPolicy, *, screenshots: bool) -> EpisodeSource:
        config, name = self.config, self.tasks[0].world
        screenshots = screenshots or self._sight.screenshots > 0
        if not config.ray.enabled:
            world = stack.enter_context(make_world(name, num_slots=config.sessions, screenshot=screenshots))
            return Collector(world, policy, malformed_penalty=config.malformed_penalty)
        workers = stack.enter_context(
            RayCollector(
                name,
                self._checkpoint,
                workers=config.ray.workers,
                sessions=config.sessions,
                address=config.ray.address,
                malformed_penalty=config.malformed_penalty,
                temperature=policy.temperature,
                max_new_tokens=config.max_new_tokens,
                screenshots=screenshots,
                threads=config.threads or 1,
                dialect=config.dialect,
                thinking_tokens=config.thinking_tokens,
                sight=self._sight,
                chat_template=self._template,
            )
        )
        self._publish(workers, self.version)  # the model may have been trained since it was loaded
        return workers

    def _publish(self, source: EpisodeSource, version: int) -> None:
        """Give the players the newest weights; those in this process have them already."""
        self.version = version
        if isinstance(source, RayCollector):
            if self._adapted is None:
                source.publish(self._player.model.state_dict(), version)
            else:
                with merged(self._adapted) as weights:
                    source.publish(weights, version)
            source.seed(self.config.seed)


def make_trainer(config: TrainConfig, **options: Any) -> AgentGRPOTrainer:
    """Return the trainer that a configuration asks for.

    Args:
        config: of the run.
        options: of the trainer, but for its estimator and what concerns a critic.
    """
    shaping = Shaping(config.step_penalty, config.invalid_penalty, config.discount)
    if config.estimator == "gae":
        return AgentPPOTrainer(ppo=config.ppo, estimator=GroupAdvantage(shaping=shaping), **options)
    estimator = GroupAdvantage(config.estimator, shaping, config.credit)
    return AgentGRPOTrainer(estimator=estimator, refill=config.refill, **options)


def grpo_arguments(config: TrainConfig, folder: RunFolder) -> GRPOConfig:
    """Return TRL's configuration: ours where the run decides, the user's everywhere else.

    Raises:
        ConfigError: TRL or the optimiser refuses a setting, or a generation does not end with an optimiser step.
    """
    settings = {
        "steps_per_generation": 1,
        "gradient_accumulation_steps": 1,
        "num_iterations": 1,
        "report_to": ["tensorboard"],
        "activation_checkpointing": False,  # it switches the KV cache off while the model plays
        "bf16": torch.accelerator.is_available(),
        "use_cpu": not torch.accelerator.is_available(),
        "dataloader_pin_memory": False,  # TRL's data set is a stand-in, see the trainer
        **config.grpo,
    }
    try:
        per_generation = optimizer_steps_per_generation(**settings)
    except ValueError as error:
        raise ConfigError(f"grpo: {error}") from error
    try:
        arguments = GRPOConfig(
            **settings,
            output_dir=str(folder.checkpoints),
            max_steps=config.generations * per_generation,
            per_device_train_batch_size=config.group_size,
            num_generations=config.group_size,
            temperature=config.temperature,
            max_completion_length=config.max_new_tokens + config.thinking_tokens,
            seed=config.seed,
            logging_steps=per_generation,
            save_strategy="steps",
            save_steps=config.checkpoint_every * per_generation,
            save_total_limit=KEPT_CHECKPOINTS,
            disable_tqdm=True,
        )
        optimizer, options = transformers.Trainer.get_optimizer_cls_and_kwargs(arguments)
        if isinstance(optimizer, type):  # some wait for the model
            optimizer([torch.nn.Parameter(torch.zeros(1))], **options)  # what it refuses is told before playing
    except (TypeError, ValueError) as error:
        raise ConfigError(f"grpo: TRL refuses the settings: {error}") from error
    return arguments


class _TimeLimit(transformers.TrainerCallback):  # type: ignore[misc]  # transformers has no types here
    """Ends training after so many minutes, where a generation ends."""

    def __init__(self, minutes: float | None, per_generation: int) -> None:
        self._deadline = None if minutes is None else time.monotonic() + 60 * minutes
        self._per_generation = per_generation

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Look at the clock."""
        whole = state.global_step % self._per_generation == 0
        if self._deadline is not None and whole and time.monotonic() > self._deadline:
            control.should_training_stop = True
        return control


class _Journal:
    """Writes down what each generation gave.

    A line's seconds reach from the line before to the end of the generation's playing, so they hold the learning from
    the generation before; those of the last learning are added to the last line's at the end.
    """

    def __init__(self, learner: Learner, source: EpisodeSource, progress: Callable[[Played], None]) -> None:
        self._learner = learner
        self._stats = source.stats
        self._players = learner.config.ray.workers if learner.config.ray.enabled else 1
        self._progress = progress
        self._before = dataclasses.replace(self._stats)
        self._began = self._last = time.monotonic()
        self._earlier_s = sum(line["seconds"] for line in learner.folder.read_progress())
        self._episodes = sum(line["episodes"] for line in learner.folder.read_progress())
        self._steps = 0

    def note(self, generation: Generation) -> None:
        """Keep a generation's trajectories and write its line."""
        learner, judged = self._learner, generation.judged
        if len(judged) < (1 - learner.config.max_failed_share) * len(generation.trajectories):
            failed = next(each for each in generation.trajectories if each.outcome == "infrastructure")
            raise InfrastructureError(
                f"The machine failed {len(generation.trajectories) - len(judged)} of {len(generation.trajectories)} "
                f"episodes of generation {generation.index}, such as {failed.key}: {failed.reason} "
                f"More than max_failed_share ({learner.config.max_failed_share:g}) ends a run. "
                "Look at `agentgym doctor`, then go on with --resume."
            )
        learner.folder.store("train").append(generation.trajectories)
        now = time.monotonic()
        seconds, self._last = now - self._last, now
        spent, self._before = self._spent(), dataclasses.replace(self._stats)
        steps = sum(len(each.turns) for each in generation.trajectories)
        self._episodes += len(judged)
        self._steps += steps
        success = _mean([each.success for each in judged])
        learner.folder.append_progress(
            {
                "generation": generation.index,
                "episodes": len(judged),
                "success": success,
                "reward": _mean([each.reward for each in judged]),
                "mean_steps": _mean([len(each.turns) for each in judged]),
                "steps": steps,
                "rows": generation.rows,
                "equal_groups": generation.equal_groups,
                "refilled_groups": generation.refilled_groups,
                "infrastructure_failures": len(generation.trajectories) - len(judged),
                "seconds": round(seconds, 3),
                "minutes": round((self._earlier_s + now - self._began) / 60, 3),
                "env_share": round(spent.env_s / seconds, 3),
                "policy_share": round(spent.policy_s / seconds, 3),
                "learn_share": round(max(0.0, seconds - generation.seconds) / seconds, 3),
                "tasks": _by_task(generation),
            }
        )
        learner.memory.look()
        self._progress(Played(self._episodes, success, self._steps / (now - self._began)))

    def end(self) -> None:
        """Add the last learning to the last line."""
        lines = self._learner.folder.read_progress()
        if lines:
            extra = time.monotonic() - self._last
            lines[-1]["seconds"] = round(lines[-1]["seconds"] + extra, 3)
            lines[-1]["minutes"] = round(lines[-1]["minutes"] + extra / 60, 3)
            self._learner.folder.write_progress(lines)

    def _spent(self) -> CollectorStats:
        new, old = self._stats, self._before
        share = 1 / self._players  # the workers' seconds add up
        return CollectorStats(env_s=share * (new.env_s - old.env_s), policy_s=share * (new.policy_s - old.policy_s))


def _by_task(generation: Generation) -> dict[str, dict[str, float]]:
    found: dict[str, list[bool]] = defaultdict(list)
    for trajectory in generation.judged:
        found[trajectory.key.task_id].append(trajectory.success)
    return {task: {"success": _mean(each), "episodes": len(each)} for task, each in sorted(found.items())}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
