"""The families of models in docs/models.md, each as a tiny random one: what a run does with a model, once."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from agentgym.episode import EpisodeKey, Trajectory
from agentgym.errors import ConfigError
from agentgym.policy.model import load_model
from agentgym.policy.sight import BLIND, Sight
from agentgym.policy.thinking import marks_of
from agentgym.policy.transformers import TransformersPolicy
from agentgym.policy.vision import Vision
from agentgym.rollout.collector import Collector, EpisodeRequest
from agentgym.train.config import PPOConfig
from agentgym.train.lora import adapted_layers, add_adapters, merged
from agentgym.train.ppo import AgentPPOTrainer
from tests.learning import largest, make_trainer, update
from tests.tiny_families import FAMILIES, Family
from tests.toy_world import TOY, ToyWorld

if TYPE_CHECKING:
    from agentgym.episode import Turn

TABLE = Path(__file__).parents[1] / "docs" / "models.md"
SIGHT = Sight(screenshots=2, longest_side=84)
ATTEMPTS = 4
ROUTED = [family for family in FAMILIES if family.router != "no experts"]


@dataclass
class Held:
    """A family's checkpoint, and what was played with it."""

    family: Family
    folder: Path
    policy: TransformersPolicy
    played: list[Trajectory]


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.name)
def held(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Held:
    family: Family = request.param
    folder = family.save(tmp_path_factory.mktemp("models") / "tiny")
    policy = load(family, folder)
    task = copy.copy(TOY["toy/press"])
    task.max_steps = 2
    requests = [EpisodeRequest(EpisodeKey(task.id, 0, attempt), task) for attempt in range(ATTEMPTS)]
    torch.manual_seed(0)
    world = ToyWorld(num_slots=ATTEMPTS, screenshot=family.eyes is not None)
    played = sorted(Collector(world, policy).collect(requests), key=lambda each: each.key.attempt)
    return Held(family, folder, policy, [judged(each, each.key.attempt % 2) for each in played])


def load(family: Family, folder: Path) -> TransformersPolicy:
    """Load a checkpoint as a run does; where the image processor needs torchvision, the test's own stands for it."""
    options: dict[str, Any] = {"max_new_tokens": 5}
    if family.eyes is None or not family.needs_torchvision:
        sight = BLIND if family.eyes is None else SIGHT
        return TransformersPolicy.from_pretrained(folder, device="cpu", sight=sight, **options)
    model = load_model(folder)
    return TransformersPolicy(model, family.tokenizer(), vision=Vision(family.eyes(), model, SIGHT), **options)


def judged(trajectory: Trajectory, score: int) -> Trajectory:
    return replace(trajectory, score=float(score), outcome="success" if score else "failure", penalty=0.0)


def plain(model: Any, vision: Vision | None, trajectory: Trajectory, number: int) -> torch.Tensor:
    """Log-probabilities of a turn's tokens by one pass without a cache."""
    turn = trajectory.turns[number]
    ids = torch.tensor([[*turn.prompt_ids, *turn.completion_ids]])
    inputs = {} if vision is None else vision.inputs(ids, vision.pixels(trajectory.pictures(number)))
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=ids, **inputs).logits[0, len(turn.prompt_ids) - 1 : -1]
    return logits.log_softmax(-1).gather(-1, torch.tensor(turn.completion_ids)[:, None])[:, 0]


def test_it_plays_and_says_how_likely_each_token_was(held: Held) -> None:
    turns: list[Turn] = [turn for each in held.played for turn in each.turns]
    assert len(turns) == 2 * ATTEMPTS  # of a random model none is an action
    assert all(len(turn.completion_ids) == len(turn.logprobs) > 0 for turn in turns)
    for each in held.played:
        for number, turn in enumerate(each.turns):
            found = plain(held.policy.model, held.policy.vision, each, number)
            torch.testing.assert_close(found, torch.tensor(turn.logprobs), atol=1e-4, rtol=0)


def test_a_step_of_grpo_moves_it_and_it_is_saved_and_loaded(held: Held, tmp_path: Path) -> None:
    trainer, noted = make_trainer(held.folder, tmp_path / "run", held.played, vision=held.policy.vision)
    moved = update(trainer)
    assert noted[0].rows == 2 * ATTEMPTS
    assert 0 < largest(moved) < 1  # also not NaN
    for part in ("experts", "visual", "vision_tower", "mixer"):  # what a family is known for learns, too
        assert all(largest({name: moved[name]}) < 1 for name in moved if part in name)
        moves = [largest({name: moved[name]}) for name in moved if part in name]
        assert not moves or max(moves) > 0
    trainer.save_model(str(tmp_path / "final"))
    again = load(held.family, tmp_path / "final")
    trained = trainer.model.eval()
    for number in range(2):
        saved = plain(again.model, again.vision, held.played[0], number)
        torch.testing.assert_close(saved, plain(trained, held.policy.vision, held.played[0], number))


def test_a_step_of_ppo_moves_it_and_its_critic(held: Held, tmp_path: Path) -> None:
    trainer, noted = make_trainer(
        held.folder,
        tmp_path,
        held.played,
        kind=AgentPPOTrainer,
        vision=held.policy.vision,
        options={"ppo": PPOConfig()},
    )
    assert isinstance(trainer, AgentPPOTrainer)
    moved = update(trainer)
    assert noted[0].rows == 2 * ATTEMPTS
    assert 0 < largest(moved) < 1
    assert 0 < trainer.critic.head.weight.abs().max() < 1  # it began at 0
    assert trainer.state.log_history[0]["critic/value_loss"] > 0


def test_adapters_learn_and_nothing_else(held: Held, tmp_path: Path) -> None:
    model = add_adapters(load_model(held.folder), rank=2, alpha=4)
    before = {name: each.clone() for name, each in load_model(held.folder).state_dict().items()}
    trainer, _ = make_trainer(held.folder, tmp_path, held.played, model=model, vision=held.policy.vision, beta=0.1)
    moved = update(trainer)
    assert 0 < largest({name: each for name, each in moved.items() if ".lora_" in name}) < 1
    assert largest({name: each for name, each in moved.items() if ".lora_" not in name}) == 0
    base = model.get_base_model().eval()
    adapted = plain(base, held.policy.vision, held.played[0], 0)
    with merged(model) as weights:
        assert before.keys() == weights.keys()
        whole = held.family.model()
        whole.load_state_dict(weights)
    torch.testing.assert_close(plain(whole, held.policy.vision, held.played[0], 0), adapted, atol=1e-4, rtol=0)
    assert torch.equal(plain(base, held.policy.vision, held.played[0], 0), adapted)


@pytest.mark.parametrize("family", ROUTED, ids=lambda family: family.name)
def test_a_loss_that_balances_experts_can_be_added(family: Family, tmp_path: Path) -> None:
    folder = family.save(tmp_path / "tiny")
    policy = TransformersPolicy.from_pretrained(folder, device="cpu", max_new_tokens=3)
    task = copy.copy(TOY["toy/press"])
    task.max_steps = 1
    requests = [EpisodeRequest(EpisodeKey(task.id, 0, attempt), task) for attempt in range(2)]
    played = [judged(each, each.key.attempt) for each in Collector(ToyWorld(num_slots=2), policy).collect(requests)]
    trainer, _ = make_trainer(folder, tmp_path / "run", played, router_aux_loss_coef=0.1)
    if family.router == "not in transformers":
        with pytest.raises(ConfigError, match="router_aux_loss_coef"):
            update(trainer)
        return
    moved = update(trainer)
    assert trainer.state.log_history[0]["aux_loss"] > 0
    routers = [each for name, each in moved.items() if ".gate.weight" in name or ".router.weight" in name]
    assert max(each.abs().max().item() for each in routers) > 0


def test_kimi_k2_loads_as_what_it_is(tmp_path: Path) -> None:
    family = next(family for family in FAMILIES if family.name == "DeepSeek-V3")
    folder = family.save(tmp_path)
    document = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**document, "model_type": "kimi_k2"}))
    policy = TransformersPolicy.from_pretrained(folder, device="cpu", max_new_tokens=2)
    assert type(policy.model).__name__ == "DeepseekV3ForCausalLM"
    for name, tensor in family.model().state_dict().items():
        assert torch.equal(policy.model.state_dict()[name], tensor)


def test_layers_that_mamba_reads_directly_are_refused() -> None:
    model = next(family for family in FAMILIES if family.name == "Nemotron 3").model()
    for name in ("out_proj", "conv1d"):
        with pytest.raises(ConfigError, match="in_proj works"):
            adapted_layers(model, [name])


def test_layers_that_a_model_lacks_are_refused_with_those_it_has() -> None:
    model = next(family for family in FAMILIES if family.name == "gpt-oss").model()
    with pytest.raises(ConfigError, match=r"no linear layer 'w_pack'; it has k_proj, lm_head, o_proj"):
        adapted_layers(model, ["w_pack"])


def test_the_docs_say_what_is_held_here() -> None:
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    head, *rows = ([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines)
    table = {row[0]: dict(zip(head, row, strict=True)) for row in rows if row[0] in {each.name for each in FAMILIES}}
    assert list(table) == [family.name for family in FAMILIES]
    for family in FAMILIES:
        model, row = family.model(), table[family.name]
        assert row["class"] == f"`{type(model).__name__}`"
        assert row["sees"] == (
            "no" if family.eyes is None else "with torchvision" if family.needs_torchvision else "yes"
        )
        adapted = sorted({name.rpartition(".")[2] for name in adapted_layers(model)})
        assert row["LoRA adapts"] == ", ".join(f"`{name}`" for name in adapted)
        assert row["balances experts"] == family.router
        assert row["thought"] == f"`{marks_of(family.template).opening}`"
