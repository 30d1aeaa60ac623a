"""Whole runs of models with adapters, with eyes and thought, and of one whose chat template comes from a file."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch
from peft import PeftModel
from rich.console import Console
from transformers import AutoModelForCausalLM

from agentgym.errors import CheckpointError, ConfigError
from agentgym.policy.transformers import TransformersPolicy
from agentgym.train.config import EvaluationConfig, LoRAConfig, TrainConfig, VisionConfig, load_config
from agentgym.train.folder import RunFolder
from agentgym.train.run import train
from tests.tiny_families import FAMILIES
from tests.tiny_model import save_tiny_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("toy_plugin")

GENERATIONS = 2
LAYER = "model.layers.0.self_attn.q_proj.weight"


def run(model: Path, out: Path, *, resume: bool = False, **changes: Any) -> RunFolder:
    settings: dict[str, Any] = {
        "model": str(model),
        "tasks": ("toy/press",),
        "out": out,
        "generations": GENERATIONS,
        "groups": 2,
        "group_size": 4,
        "sessions": 4,
        "max_new_tokens": 8,
        "checkpoint_every": 1,
        "threads": 1,
        "evaluation": EvaluationConfig(episodes=2, shown=0),
        "grpo": {"learning_rate": 1e-2, "lr_scheduler_type": "constant", "report_to": "none"},
        **changes,
    }
    config = TrainConfig(**settings)
    train(config, resume=resume, console=Console(file=io.StringIO()))
    return RunFolder(config.folder)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    return found


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT asks for it
def test_adapters_are_merged_kept_apart_and_resumed(toy_player: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"lora": LoRAConfig(rank=2)}
    folder = run(toy_player, tmp_path / "run", **options)
    before, after = weights(toy_player), weights(folder.final)
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert LAYER in moved
    assert all(name.split(".")[-2].endswith("_proj") for name in moved)
    with_adapter = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(toy_player), folder.final / "adapter"
    ).merge_and_unload()
    torch.testing.assert_close(with_adapter.state_dict()[LAYER], after[LAYER], atol=1e-5, rtol=0)

    shutil.rmtree(folder.final)
    shutil.rmtree(folder.checkpoints / f"checkpoint-{GENERATIONS}")
    for name in ("after.json", "summary.json"):
        (folder.path / name).unlink()
    again = run(toy_player, tmp_path / "run", resume=True, **options)
    assert len(again.read_progress()) == GENERATIONS
    assert not torch.equal(weights(again.final)[LAYER], before[LAYER])


def test_a_model_that_sees_and_thinks_learns_from_both(tmp_path: Path) -> None:
    family = next(each for each in FAMILIES if each.name == "Qwen3-VL")
    model = family.save(tmp_path / "model")
    folder = run(
        model,
        tmp_path / "run",
        generations=1,
        max_new_tokens=4,
        thinking_tokens=3,
        dialect="qwen-computer",
        vision=VisionConfig(screenshots=2, longest_side=96, elements=False),
    )
    turns = [turn for each in folder.store("train").read() for turn in each.turns]
    assert {turn.shown for turn in turns} == {1, 2}
    assert all(turn.screenshot is not None for turn in turns)
    assert all(len(turn.completion_ids) <= 3 + 4 + 20 for turn in turns)
    again = TransformersPolicy.from_pretrained(folder.final)
    assert "vision_config" in again.model.config.to_dict()
    assert (folder.final / "preprocessor_config.json").is_file()


def test_a_chat_template_comes_from_a_file_and_is_saved_with_the_model(tmp_path: Path) -> None:
    model = save_tiny_checkpoint(tmp_path / "model")
    template = tmp_path / "template.jinja"
    (model / "chat_template.jinja").rename(template)
    with pytest.raises(CheckpointError, match="give a file with the model's template as `chat_template`"):
        run(model, tmp_path / "refused", generations=1)
    folder = run(model, tmp_path / "run", generations=1, chat_template=template)
    assert TransformersPolicy.from_pretrained(folder.final).tokenizer.chat_template == template.read_text()


def test_a_template_file_that_is_not_there_is_told(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"chat_template: .*no\.jinja cannot be read"):
        run(tiny_checkpoint, tmp_path / "run", chat_template=tmp_path / "no.jinja")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("vision.elements=false", "set vision.screenshots=1 or more"),
        ("lora.alpha=8", "set lora.rank"),
        ("vision.longest_side=8", "greater than or equal to 28"),
    ],
)
def test_keys_that_do_nothing_are_refused(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config("quickstart", [override])
