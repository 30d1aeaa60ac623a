"""The configuration of a run: what it takes, and how it refuses the rest before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from agentgym.errors import ConfigError, UnknownNameError
from agentgym.lock import FolderLock
from agentgym.train.config import Section, TrainConfig, load_config, recipes
from agentgym.train.document import read_document
from agentgym.train.folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text("model: nano\ntasks: [toy]\ngrpo:\n  learning_rate: 1e-4\n")
    return str(path)


def sections(section: type[Section] = TrainConfig) -> list[type[Section]]:
    inner = [field.annotation for field in section.model_fields.values()]
    return [section, *(each for each in inner if isinstance(each, type) and issubclass(each, Section))]


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_loads_and_begins_with_what_it_is_for(name: str) -> None:
    config = load_config(name, [])
    assert config.name == name
    assert str(config.folder) == f"runs/{name}"
    assert recipes()[name].read_text().startswith("# ")


def test_the_quick_start_is_there() -> None:
    assert "quickstart" in recipes()


def test_a_file_is_named_by_itself_and_an_override_changes_one_key(recipe: str) -> None:
    config = load_config(recipe, ["seed=3", "ray.workers=4", "evaluation.temperature=0.5", "out=there", "tasks=[a, b]"])
    assert (config.name, config.seed, config.ray.workers, config.evaluation.temperature) == ("mine", 3, 4, 0.5)
    assert str(config.folder) == "there"
    assert config.tasks == load_config(recipe, ["tasks=a, b"]).tasks == ("a", "b")
    assert config.evaluation.episodes == TrainConfig(model="nano", tasks=()).evaluation.episodes


def test_every_key_is_documented() -> None:
    lacking = [
        f"{section.__name__}.{name}"
        for section in sections()
        for name, field in section.model_fields.items()
        if not field.description
    ]
    assert not lacking


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sed=3", r"Unknown key 'sed'\. Did you mean 'seed'\?"),
        ("zzzzzzzz=3", r"Unknown key 'zzzzzzzz'\.$"),
        ("ray.worker=3", r"Unknown key 'ray\.worker'\. Did you mean 'ray\.workers'\?"),
        ("evaluation.episode=3", r"Unknown key 'evaluation\.episode'\. Did you mean 'evaluation\.episodes'\?"),
        ("grpo.learning_rat=3", r"Unknown key 'grpo\.learning_rat'\. Did you mean 'learning_rate'\?"),
    ],
)
def test_an_unknown_key_is_told_with_its_path_and_the_nearest(recipe: str, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(recipe, [override])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=abc", r"^seed: .*integer.*, got 'abc'\.$"),
        ("seed=-1", r"^seed: .*greater than or equal to 0, got -1\.$"),
        ("group_size=1", r"^group_size: .*greater than or equal to 2"),
        ("temperature=0", r"^temperature: .*greater than 0"),
        ("temperature=.nan", r"^temperature: "),
        ("temperature=.inf", r"^temperature: .*finite number, got inf\.$"),
        ("max_minutes=.inf", r"^max_minutes: .*finite number, got inf\.$"),
        ("evaluation.temperature=.inf", r"^evaluation\.temperature: .*finite number, got inf\.$"),
        ("grpo.learning_rate=.inf", r"^grpo\.learning_rate: .*finite number, got inf\.$"),
        ("tasks=", r"^tasks: Names of tasks or suites are wanted, a list or separated by commas, got nothing\.$"),
        ("tasks=5", r"^tasks: Names of tasks or suites are wanted, a list or separated by commas, got 5\.$"),
        ("estimator=ppo", r"^estimator: .*'grpo', 'rloo' or 'gae', got 'ppo'\.$"),
        ("discount=0", r"^discount: .*greater than 0, got 0\.$"),
        ("refill=-1", r"^refill: .*greater than or equal to 0, got -1\.$"),
        ("max_failed_share=2", r"^max_failed_share: .*less than or equal to 1, got 2\.$"),
        ("credit=token", r"^credit: .*'episode' or 'turn', got 'token'\.$"),
        ("ppo.critic=both", r"^ppo\.critic: .*'shared' or 'separate', got 'both'\.$"),
        ("ppo.value_clip=0", r"^ppo\.value_clip: .*greater than 0, got 0\.$"),
        ("ppo.turn_lambda=1.5", r"^ppo\.turn_lambda: .*less than or equal to 1, got 1\.5\.$"),
        ("ray.workers=many", r"^ray\.workers: .*integer.*, got 'many'\.$"),
        ("ray=3", r"^ray: .*got 3\.$"),
        ("evaluation.episodes=0", r"^evaluation\.episodes: .*greater than or equal to 1, got 0\.$"),
        ("tasks=[1]", r"^tasks\.0: .*string, got 1\.$"),
        ("grpo.learning_rate=abc", r"^grpo\.learning_rate: .*number.*, got 'abc'\.$"),
        ("grpo.bf16=perhaps", r"^grpo\.bf16: .*boolean.*, got 'perhaps'\.$"),
        ("grpo.steps_per_generation=2.5", r"^grpo\.steps_per_generation: .*integer.*, got 2\.5\.$"),
        ("grpo=3", r"^grpo: .*dictionary, got 3\.$"),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_its_path(recipe: str, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(recipe, [override])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["ppo.critic=separate"], r"^.*ppo: estimator grpo has no critic; use estimator=gae, or leave ppo out\.$"),
        (["estimator=gae", "credit=turn"], r"credit: estimator gae gives each token an advantage of its own"),
        (["estimator=gae", "refill=1"], r"refill: estimator gae learns from groups of equals as well"),
    ],
)
def test_keys_that_do_not_fit_together_are_told(recipe: str, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(recipe, overrides)


def test_keys_of_a_critic_at_their_defaults_fit_every_estimator(recipe: str, tmp_path: Path) -> None:
    config = load_config(recipe, ["estimator=rloo", f"out={tmp_path / 'run'}"])
    with FolderLock(config.folder) as lock:
        RunFolder(config.folder).begin(config, lock)
    assert load_config(str(config.folder / "config.yaml"), []) == config
    assert load_config(recipe, ["estimator=gae", "ppo.critic=separate"]).ppo.critic == "separate"


def test_a_run_from_before_a_key_was_there_goes_on_with_its_default(recipe: str, tmp_path: Path) -> None:
    config = load_config(recipe, [f"out={tmp_path / 'run'}"])
    folder = RunFolder(config.folder)
    with FolderLock(config.folder) as lock:
        folder.begin(config, lock)
    path = config.folder / "config.yaml"
    before = yaml.safe_load(path.read_text())
    del before["ppo"], before["discount"], before["dialect"]
    path.write_text(yaml.safe_dump(before))
    folder.resume(config)
    with pytest.raises(ConfigError, match=r"^discount: the run in .* has 1\.0, now it is 0\.5"):
        folder.resume(load_config(recipe, ["discount=0.5", f"out={tmp_path / 'run'}"]))


@pytest.mark.parametrize("key", ["max_steps", "seed", "temperature", "save_strategy", "num_generations"])
def test_what_the_run_sets_itself_is_refused(recipe: str, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"grpo\.{key} is set by the run itself"):
        load_config(recipe, [f"grpo.{key}=1"])


def test_numbers_that_yaml_reads_as_text_are_numbers(recipe: str) -> None:
    assert load_config(recipe, []).grpo["learning_rate"] == 1e-4
    config = load_config(
        recipe, ["grpo.learning_rate=5e-5", "grpo.beta=1e-2", "temperature=1e-1", "grpo.epsilon_high=3e-1"]
    )
    assert config.grpo == {"learning_rate": 5e-5, "beta": 1e-2, "epsilon_high": 0.3}
    assert config.temperature == 0.1


def test_texts_and_numbers_of_trl_stay_what_they_are(recipe: str) -> None:
    given = {"lr_scheduler_type": "constant", "loss_type": "dapo", "max_grad_norm": 1, "steps_per_generation": 4}
    config = load_config(recipe, [f"grpo.{key}={value}" for key, value in given.items()])
    assert {key: config.grpo[key] for key in given} == given


@pytest.mark.parametrize("override", ["seed", "=3", "ray.=3", ".seed=3", ""])
def test_what_is_no_override_is_told(recipe: str, override: str) -> None:
    with pytest.raises(ConfigError, match=r"is not an override; write KEY=VALUE, such as seed=3"):
        load_config(recipe, [override])


def test_an_override_goes_into_sections_only(recipe: str) -> None:
    with pytest.raises(ConfigError, match=r"^model\.size: model is a value, not a section\.$"):
        load_config(recipe, ["model.size=3"])
    with pytest.raises(ConfigError, match=r"^seed: '\[1' is not a YAML value\.$"):
        load_config(recipe, ["seed=[1"])


def test_a_missing_file_is_told_with_the_nearest_recipe() -> None:
    with pytest.raises(UnknownNameError, match=r"file 'quickstar'\. Did you mean 'quickstart'\? Recipes are"):
        load_config("quickstar", [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a: [1", "is not YAML"),
        (b"a: \x81\xff", "is not YAML"),
        (b"- 1\n- 2\n", "must hold keys and values"),
        (b"", "must hold keys and values"),
        (
            b"seed: 1\nmodel: nano\nseed: 2\n",
            r"broken\.yaml: key 'seed' stands in line 1 and again in line 3\. Keep one",
        ),
        (b"ray: {workers: 1, workers: 2}", r"key 'workers' stands in line 1 and again in line 1"),
        (b"tasks: [toy]", "Key 'model' is missing"),
        (b"1: 2\nmodel: nano\ntasks: [toy]", "1: "),
    ],
)
def test_a_file_that_is_no_configuration_is_told(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match=message):
        load_config(str(path), [])
    with pytest.raises(UnknownNameError, match="recipe or configuration file"):
        load_config(str(tmp_path), [])


def test_a_dialect_is_written_down_and_read_as_it_was(recipe: str, tmp_path: Path) -> None:
    assert load_config(recipe, []).dialect == "call-text"
    config = load_config(recipe, ["dialect=ui-tars@pixels", f"out={tmp_path / 'run'}"])
    with FolderLock(config.folder) as lock:
        RunFolder(config.folder).begin(config, lock)
    again = load_config(str(config.folder / "config.yaml"), [])
    assert (again.dialect, again) == ("ui-tars@pixels", config)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("json-tool", UnknownNameError, r"No dialect 'json-tool'\. Did you mean 'json-tools'\?"),
        ("json-tools@9", ConfigError, r"'json-tools@9': it knows element ids, and has no scale"),
        ("3", ConfigError, r"^dialect: .*valid string, got 3\.$"),
    ],
)
def test_a_wrong_dialect_is_told_before_anything_starts(
    recipe: str, value: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load_config(recipe, [f"dialect={value}"])


def test_a_key_that_a_merge_brings_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "merged.yaml"
    path.write_text("model: nano\ntasks: [toy]\nray: &ours {workers: 3}\nevaluation: {shown: 1}\n")
    assert load_config(str(path), []).ray.workers == 3
    assert read_document("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}")["b"] == {"x": 3, "y": 2}
