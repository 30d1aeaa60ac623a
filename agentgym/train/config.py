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
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from agentgym.errors import ConfigError, MissingDependencyError, unknown_name
from agentgym.policy.speech import DEFAULT, Speech
from agentgym.task import MAX_SEED_INDEX
from agentgym.train.advantage import Estimator
from agentgym.train.document import RepeatedKeyError, read_document
from agentgym.versions import installation

FINITE = ConfigDict(allow_inf_nan=False)
Count = Annotated[int, Field(ge=1)]


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
    malformed_penalty: float = Field(default=0.05, ge=0)
    """Subtracted from an episode's reward for each completion that is no action."""
    estimator: Estimator = "grpo"
    """How advantages are computed: grpo (minus group mean) or rloo (minus mean of the others)."""
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
    grpo: dict[str, Any] = Field(default_factory=dict)
    """Fields of TRL's GRPOConfig."""

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
