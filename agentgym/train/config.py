"""The configuration of a training run: a YAML file, changed by dotted overrides.

Unknown keys are errors that name the key's path and the nearest known key. What concerns the optimiser is TRL's own
`GRPOConfig`, passed through under ``grpo``.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from agentgym.errors import ConfigError, MissingDependencyError, unknown_name
from agentgym.policy.speech import DEFAULT, Speech
from agentgym.task import MAX_SEED_INDEX
from agentgym.train.advantage import Credit, Estimator
from agentgym.train.document import RepeatedKeyError, read_document
from agentgym.versions import installation

FINITE = ConfigDict(allow_inf_nan=False)
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


def _names(value: Any) -> Any:
    """Take names that are separated by commas for a list."""
    if value is None or isinstance(value, int | float | dict):
        raise PydanticCustomError("names", "Names of tasks or suites are wanted, a list or separated by commas")
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


def _dialect(name: str) -> str:
    """Check that there is a dialect of that name."""
    return Speech(name).name


class Section(BaseModel):
    """A part of the configuration."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, frozen=True, allow_inf_nan=False)


class EvaluationConfig(Section):
    """How the model is scored before and after."""

    episodes: Count = 40
    """Episodes a task, on test seeds."""
    first_seed: int = Field(default=0, ge=0, le=MAX_SEED_INDEX)
    """Index of the first test seed; another one gives a score on seeds that no earlier decision has looked at."""
    temperature: float = Field(default=0.0, ge=0)
    """Of sampling; 0 is greedy. The same before and after."""
    shown: int = Field(default=2, ge=0)
    """Episodes a task that are played once more with screenshots, for the report."""


class VisionConfig(Section):
    """Screenshots in prompts, for models that see."""

    screenshots: int = Field(default=0, ge=0)
    """Of the newest screenshots, how many a prompt holds; 0 for text alone."""
    longest_side: int | None = Field(default=None, ge=28)
    """Larger screenshots are made smaller, to this many pixels on their longer side; None leaves them as they are."""
    elements: bool = True
    """Whether prompts list the elements on screen, too."""


class LoRAConfig(Section):
    """Adapters that are learnt instead of the model's own weights."""

    rank: int = Field(default=0, ge=0)
    """Rank of the adapters; 0 learns the model's own weights."""
    alpha: float = Field(default=32.0, gt=0)
    """What an adapter says is multiplied by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of an adapter's inputs that is dropped while learning."""
    targets: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    """Last parts of the names of adapted layers; where none is given, those in docs/models.md."""


class PPOConfig(Section):
    """The critic, where the estimator is gae."""

    critic: Literal["shared", "separate"] = "shared"
    """shared: a head on the model's own trunk; separate: on a copy of it, which takes as much memory again."""
    turn_lambda: Share = 0.95
    """Lambda of the advantage estimation over turns: 1 takes what came of it, 0 what the critic expects of the next."""
    token_discount: Share = 1.0
    """What comes a token later within a turn counts this much; below 1 long completions are worth less."""
    token_lambda: Share = 1.0
    """Lambda within a turn, over its tokens."""
    whiten: bool = False
    """Whether advantages are scaled to mean 0 and deviation 1, over all tokens of a generation: noise as well."""
    value_coefficient: float = Field(default=0.5, ge=0)
    """Weight of the value loss beside the policy's."""
    value_clip: float | None = Field(default=0.2, gt=0)
    """How far a value may move from what it was while playing before its loss is clipped; None for any distance."""
    value_learning_rate: float | None = Field(default=None, gt=0)
    """Of the critic; None for that of the model."""
    value_warm_up: int = Field(default=0, ge=0)
    """Optimiser steps at the start in which only the critic learns."""


class RayConfig(Section):
    """Rollouts in Ray worker actors."""

    enabled: bool = False
    """Whether episodes are played in worker actors rather than in this process."""
    workers: Count = 2
    """Worker actors, each with a browser of its own."""
    address: str | None = None
    """Ray cluster to join, such as auto; None starts one on this machine."""


class TrainConfig(Section):
    """A training run."""

    name: str = "run"
    """Name of the run."""
    model: str
    """nano, or the folder of a transformers checkpoint."""
    tasks: Annotated[tuple[str, ...], BeforeValidator(_names)]
    """Task ids and suite names, a list or separated by commas."""
    out: Path | None = None
    """Folder of the run; runs/NAME where not given."""
    seed: int = Field(default=0, ge=0)
    """Of the schedule of tasks and of sampling."""
    generations: Count = 50
    """Rounds of playing and learning."""
    groups: Count = 10
    """Groups of episodes a generation; tasks take turns."""
    group_size: int = Field(default=8, ge=2)
    """Attempts at the same task and seed in a group."""
    sessions: Count = 16
    """Sessions that are open at once, in all workers together."""
    temperature: float = Field(default=1.0, gt=0)
    """Of sampling while training."""
    max_new_tokens: Count = 48
    """Tokens of a completion at most."""
    dialect: Annotated[str, AfterValidator(_dialect)] = DEFAULT
    """How the model writes actions: a name from docs/dialects.md."""
    thinking_tokens: int = Field(default=0, ge=0)
    """Tokens of a thought before the action at most, which come on top of max_new_tokens; 0 asks for no thought."""
    chat_template: Path | None = None
    """File with a chat template, for a model that has none; the trained model is saved with it."""
    vision: VisionConfig = VisionConfig()
    """Screenshots in prompts, for models that see."""
    malformed_penalty: float = Field(default=0.05, ge=0)
    """Subtracted from an episode's reward for each completion that is no action."""
    invalid_penalty: float = Field(default=0.0, ge=0)
    """Subtracted by the learner for each action that could not be carried out."""
    step_penalty: float = Field(default=0.0, ge=0)
    """Subtracted by the learner for each turn."""
    discount: float = Field(default=1.0, gt=0, le=1)
    """What comes a turn later counts this much of what comes now."""
    estimator: Estimator = "grpo"
    """How advantages are computed: grpo (minus group mean), rloo (minus mean of the others), gae (PPO, by a critic)."""
    credit: Credit = "episode"
    """Of grpo and rloo; episode: turns share its advantage; turn: penalties count for their turn and those before."""
    refill: int = Field(default=0, ge=0)
    """How often in a generation groups in which all did the same are replaced by new ones; they are left out anyhow."""
    max_failed_share: Share = 0.5
    """Share of a generation's episodes that the machine may fail; a greater one ends the run."""
    checkpoint_every: Count = 10
    """Generations between checkpoints."""
    max_minutes: float | None = Field(default=None, gt=0)
    """Training stops cleanly after so many minutes of one call; None for no limit."""
    threads: int | None = Field(default=None, ge=1)
    """PyTorch threads; None for one less than the cores, for the browser's sake; of a worker: one."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How the model is scored before and after."""
    ray: RayConfig = RayConfig()
    """Rollouts in Ray worker actors."""
    ppo: PPOConfig = PPOConfig()
    """The critic, where the estimator is gae."""
    lora: LoRAConfig = LoRAConfig()
    """Adapters that are learnt instead of the model's own weights."""
    grpo: dict[str, Any] = Field(default_factory=dict)
    """Fields of TRL's GRPOConfig."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.vision.screenshots and self.vision != VisionConfig():
            raise ValueError("vision: there are no screenshots; set vision.screenshots=1 or more, or leave vision out.")
        if not self.lora.rank and self.lora != LoRAConfig():
            raise ValueError("lora: adapters need a rank; set lora.rank, such as 16, or leave lora out.")
        if self.estimator != "gae" and self.ppo != PPOConfig():
            raise ValueError(f"ppo: estimator {self.estimator} has no critic; use estimator=gae, or leave ppo out.")
        if self.estimator == "gae" and self.credit != "episode":
            raise ValueError("credit: estimator gae gives each token an advantage of its own; leave credit out.")
        if self.estimator == "gae" and self.refill:
            raise ValueError("refill: estimator gae learns from groups of equals as well; leave refill out.")
        return self

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.out or Path("runs") / self.name


def recipes() -> dict[str, Path]:
    """Return the recipes that ship with agentgym, by name."""
    folder = Path(str(resources.files("agentgym.recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_config(name: str, overrides: list[str]) -> TrainConfig:
    """Read a recipe or a YAML file, and change single keys.

    Args:
        name: of a recipe, or path of a file.
        overrides: such as ``seed=3`` or ``grpo.learning_rate=5e-5``; values are YAML.

    Raises:
        UnknownNameError: there is no such recipe, file or dialect.
        ConfigError: a key is not known or a value does not fit; the message names the key's path.
    """
    known = recipes()
    path = known.get(name, Path(name))
    if not path.is_file():
        hint = f"Recipes are {', '.join(known)}; a file's path works as well."
        raise unknown_name("recipe or configuration file", name, known, hint=hint)
    try:
        document = read_document(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except RepeatedKeyError as error:
        raise ConfigError(f"{path}: {error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} must hold keys and values, such as `model: nano`.")
    document.setdefault("name", path.stem)
    for override in overrides:
        _override(document, override)
    try:
        config = TrainConfig.model_validate(document)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from error
    return config.model_copy(update={"grpo": _grpo_settings(config.grpo)})


def _override(document: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator or not all(key.split(".")):
        raise ConfigError(f"{override!r} is not an override; write KEY=VALUE, such as seed=3 or ray.workers=4.")
    *sections, last = key.split(".")
    place = document
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise ConfigError(f"{key}: {section} is a value, not a section.")
    try:
        place[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"{key}: {value!r} is not a YAML value.") from error


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        path = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"Unknown key {path!r}.{_nearest(path, _keys(TrainConfig))}")
        elif not path:
            lines.append(str(problem["ctx"]["error"]))
        elif problem["type"] == "missing":
            lines.append(f"Key {path!r} is missing.")
        else:
            got = "nothing" if problem["input"] is None else repr(problem["input"])
            lines.append(f"{path}: {problem['msg']}, got {got}.")
    return " ".join(lines)


def _keys(section: type[BaseModel], prefix: str = "") -> list[str]:
    """Return the dotted paths of all keys."""
    keys = []
    for name, field in section.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += _keys(field.annotation, f"{prefix}{name}.")
    return keys


def _nearest(path: str, known: list[str]) -> str:
    close = difflib.get_close_matches(path, known, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


OURS = frozenset(
    {
        "output_dir",
        "max_steps",
        "per_device_train_batch_size",
        "num_generations",
        "generation_batch_size",
        "temperature",
        "max_completion_length",
        "seed",
        "logging_steps",
        "save_strategy",
        "save_steps",
        "save_total_limit",
        "disable_tqdm",
    }
)
"""Fields of TRL's GRPOConfig that follow from keys of the run."""


def _grpo_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Check the keys that are passed to TRL, so that a mistyped one is told before anything starts.

    Returns:
        The settings with values of the types that TRL declares: YAML reads ``1e-4`` as text.
    """
    if not settings:
        return settings
    known = _grpo_fields()
    typed = {}
    for key, value in settings.items():
        if key in OURS:
            raise ConfigError(
                f"grpo.{key} is set by the run itself; see generations, group_size, temperature, max_new_tokens, "
                "checkpoint_every, seed and out."
            )
        if key not in known:
            raise ConfigError(f"Unknown key 'grpo.{key}'.{_nearest(key, list(known))} It is not in TRL's GRPOConfig.")
        try:
            typed[key] = TypeAdapter(known[key], config=FINITE).validate_python(value)
        except ValidationError as error:
            problem = error.errors()[-1]["msg"]
            raise ConfigError(f"grpo.{key}: {problem}, got {value!r}.") from error
    return typed


@cache
def _grpo_fields() -> dict[str, Any]:
    """Return the types of TRL's fields by name."""
    try:
        from trl import GRPOConfig
    except (ImportError, RuntimeError) as error:  # transformers wraps what its modules raise while they load
        raise MissingDependencyError(f"Training needs more packages: {error}. Run {installation('train')}.") from error
    types = typing.get_type_hints(GRPOConfig)
    return {field.name: types[field.name] for field in dataclasses.fields(GRPOConfig)}
