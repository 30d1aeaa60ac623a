"""PPO: what a critic adds to the trainer, with a tiny real model."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from agentgym.episode import EpisodeKey, Trajectory, Turn
from agentgym.errors import CheckpointError
from agentgym.policy.transformers import TransformersPolicy
from agentgym.rollout.collector import Collector, EpisodeRequest
from agentgym.train.config import PPOConfig, TrainConfig
from agentgym.train.critic import Critic, value_loss
from agentgym.train.folder import RunFolder
from agentgym.train.gae import TwoClockGAE
from agentgym.train.learner import grpo_arguments, make_trainer
from agentgym.train.ppo import AgentPPOTrainer
from agentgym.train.rows import Row, loss_mask, rows_to_batch
from agentgym.train.trainer import Groups, Schedule
from tests.learning import SGD, Replay
from tests.test_rows import rows as text_rows
from tests.test_trainer import Weights, difference, largest, update, weights
from tests.toy_world import FillTask, ToyWorld

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Short(FillTask):
    """A player that can only click never fills the field: it gives up with ok, or is cut off."""

    max_steps = 2


FILL = Short()
MIXED = (0.0, 0.25, 1.0)


@pytest.fixture(scope="module")
def played(toy_player: Path) -> list[Trajectory]:
    """Episodes of several turns, some of them cut off; scores are made up, so that there is something to foresee."""
    policy = TransformersPolicy.from_pretrained(toy_player, device="cpu", max_new_tokens=8)
    torch.manual_seed(0)
    requests = [EpisodeRequest(EpisodeKey(FILL.id, seed, attempt), FILL) for seed in range(3) for attempt in range(2)]
    collected = sorted(Collector(ToyWorld(num_slots=4), policy).collect(requests), key=lambda each: str(each.key))
    assert {each.outcome for each in collected} == {"failure", "truncated"}
    return [replace(each, score=MIXED[each.key.seed]) if each.outcome == "failure" else each for each in collected]


def make(
    checkpoint: Path,
    folder: Path,
    trajectories: Sequence[Trajectory],
    *,
    model: Any = None,
    generations: int = 1,
    ppo: dict[str, Any] | None = None,
    save_every: int = 100,
    **grpo: Any,
) -> AgentPPOTrainer:
    """A trainer on the CPU, as a run makes it."""
    config = TrainConfig(
        model=str(checkpoint),
        tasks=(),
        generations=generations,
        group_size=8,
        max_new_tokens=8,
        checkpoint_every=save_every,
        estimator="gae",
        ppo=PPOConfig(**(ppo or {})),
        grpo={**SGD, "learning_rate": 0.05, **grpo},
    )
    trainer = make_trainer(
        config,
        model=model or AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(checkpoint),
        args=grpo_arguments(config, RunFolder(folder)),
        source=Replay(trajectories),
        schedule=Schedule([FILL], 3, 2, seed=0),
    )
    assert isinstance(trainer, AgentPPOTrainer)
    return trainer


def own(critic: Critic) -> Weights:
    return {name: each.detach().clone() for name, each in critic.own.named_parameters()}


def grouped(trajectories: Sequence[Trajectory]) -> Groups:
    groups = Groups()
    groups.add(trajectories)
    return groups


def values_one_by_one(critic: Critic, turn: Turn) -> list[float]:
    """The value of the state before each token, from a forward pass of just what had been said by then."""
    found = []
    for length in range(max(1, len(turn.completion_ids))):
        ids = torch.tensor([[*turn.prompt_ids, *turn.completion_ids[:length]]])
        with torch.no_grad():
            hidden = critic.trunk(input_ids=ids).last_hidden_state[0, -1]
            found.append(critic.head(hidden).item())
    return found


def test_values_are_of_the_state_before_each_token(toy_player: Path, played: list[Trajectory], tmp_path: Path) -> None:
    trainer = make(toy_player, tmp_path, played)
    torch.nn.init.normal_(trainer.critic.head.weight)
    ends = [each.after for each in played if each.after is not None]
    turns = [*(turn for each in played for turn in each.turns[:2]), *ends]
    judged = trainer._judge([Row(turn, 0.0) for turn in turns])
    for turn, values in zip(turns, judged, strict=True):
        assert values.tolist() == pytest.approx(values_one_by_one(trainer.critic, turn), abs=1e-4)


def test_rows_are_all_turns_with_what_gae_makes_of_the_values(
    toy_player: Path, played: list[Trajectory], tmp_path: Path
) -> None:
    trainer = make(toy_player, tmp_path, played, ppo={"whiten": False, "turn_lambda": 0.5, "token_lambda": 0.5})
    torch.nn.init.normal_(trainer.critic.head.weight)
    rows = trainer._rows(grouped(list(reversed(played))))
    assert [row.turn for row in rows] == [turn for each in played for turn in each.turns]
    found = iter(rows)
    for trajectory in played:
        assert (trajectory.after is None) == (trajectory.outcome != "truncated")
        values = [torch.tensor(values_one_by_one(trainer.critic, turn)).numpy() for turn in trajectory.turns]
        last = 0.0 if trajectory.after is None else values_one_by_one(trainer.critic, trajectory.after)[0]
        rewards = trainer._estimator.shaping.rewards(trajectory)
        for value, advantage in zip(values, TwoClockGAE(1, 0.5, 1, 0.5)(rewards, values, last_value=last), strict=True):
            row = next(found)
            assert row.values == pytest.approx(value, abs=1e-4)
            assert row.advantage == pytest.approx(advantage, abs=1e-3)
            assert row.returns == pytest.approx(advantage + value, abs=1e-3)


def test_what_the_machine_failed_gives_no_rows(toy_player: Path, played: list[Trajectory], tmp_path: Path) -> None:
    failed = replace(played[0], score=None, outcome="infrastructure")
    trainer = make(toy_player, tmp_path, [failed])
    assert trainer._rows(grouped([failed])) == []
    assert largest(update(trainer)) == 0


def test_tokens_that_were_forced_are_in_no_loss(toy_player: Path, played: list[Trajectory], tmp_path: Path) -> None:
    turn = replace(played[0].turns[0], forced=(1,))
    one = replace(played[0], turns=(turn,), outcome="failure", score=1.0, after=None)
    (row,) = make(toy_player, tmp_path, [], ppo={"whiten": False})._rows(grouped([one]))
    assert row.returns == tuple(0.0 if place == 1 else 1.0 for place in range(len(turn.completion_ids)))
    batch = rows_to_batch([row], pad_id=0, multiple=1, token_wise=True)
    assert loss_mask(batch).tolist() == [list(map(int, row.returns))]


@given(text_rows, st.integers(1, 3), st.data())
def test_token_wise_batches_hold_each_number_at_its_token(given: list[Row], multiple: int, data: st.DataObject) -> None:
    number = st.floats(-2, 2, width=32)
    full = []
    for row in given:
        count = len(row.turn.completion_ids)
        advantages, returns, values = (
            tuple(data.draw(st.lists(number, min_size=count, max_size=count))) for _ in range(3)
        )
        full.append(Row(row.turn, advantages, returns, values))
    batch = rows_to_batch(full, pad_id=0, multiple=multiple, token_wise=True)
    for index, row in enumerate(full):
        sampled = loss_mask(batch)[index].bool()
        for key, expected in (("advantages", row.advantage), ("returns", row.returns), ("old_values", row.values)):
            assert tuple(batch[key][index][sampled].tolist()) == expected
            assert batch[key][index][~sampled].abs().sum() == 0
    assert all(batch[key][len(full) :].abs().sum() == 0 for key in ("advantages", "returns", "old_values"))


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3), st.floats(0.05, 1))
def test_a_clipped_value_loss_is_never_less_than_its_error(
    value: float, old: float, wanted: float, clip: float
) -> None:
    tensors = [torch.tensor([[each]], dtype=torch.float64) for each in (value, old, wanted)]
    found = value_loss(tensors[0], old_values=tensors[1], returns=tensors[2], clip=clip)
    near = max(old - clip, min(old + clip, value))
    assert found.losses.item() == pytest.approx(0.5 * max((value - wanted) ** 2, (near - wanted) ** 2))
    assert found.clipped.item() == (abs(value - old) > clip)
    plain = value_loss(tensors[0], old_values=tensors[1], returns=tensors[2], clip=None)
    assert plain.losses.item() == pytest.approx(0.5 * (value - wanted) ** 2)
    assert not plain.clipped.item()


@pytest.mark.parametrize("kind", ["shared", "separate"])
def test_gradients_are_those_of_the_losses_over_sampled_tokens(
    toy_player: Path, played: list[Trajectory], tmp_path: Path, kind: str
) -> None:
    trainer = make(toy_player, tmp_path, played, ppo={"critic": kind, "value_coefficient": 0.5, "value_clip": None})
    torch.nn.init.normal_(trainer.critic.head.weight)
    rows = trainer._rows(grouped(played))
    trainer.current_gradient_accumulation_steps = 1
    batch = trainer._batch(rows, multiple=len(rows) + 3, token_wise=True)  # three rows fill up
    trainer._compute_loss(trainer.model, batch).backward()  # type: ignore[no-untyped-call]  # torch does not type it
    count, losses = sum(len(row.turn.completion_ids) for row in rows), []
    for row in rows:  # one at a time, without padding
        assert isinstance(row.advantage, tuple)
        prompt, completion = row.turn.prompt_ids, row.turn.completion_ids
        ids, places = torch.tensor([[*prompt, *completion]]), slice(len(prompt) - 1, -1)
        logprobs = trainer.model(input_ids=ids).logits[0, places].log_softmax(-1)  # (C, V)
        chosen = logprobs[range(len(completion)), list(completion)]
        ratio = (chosen - torch.tensor(row.turn.logprobs)).exp()
        advantage = torch.tensor(row.advantage)
        policy = -torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
        hidden = trainer.critic.trunk(input_ids=ids).last_hidden_state[0, places]
        error = trainer.critic.head(hidden).squeeze(-1) - torch.tensor(row.returns)
        losses.append((policy + 0.5 * 0.5 * error.square()).sum() / count)
    every = [*trainer.model.parameters(), *trainer.critic.own.parameters()]
    found = [torch.zeros_like(each) if each.grad is None else each.grad.clone() for each in every]
    expected = torch.autograd.grad(sum(losses), every, allow_unused=True)
    assert any(each.abs().max() > 1e-3 for each in found)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, torch.zeros_like(one) if other is None else other, atol=1e-5)


def test_while_values_warm_up_only_the_critic_moves(toy_player: Path, played: list[Trajectory], tmp_path: Path) -> None:
    trainer = make(toy_player, tmp_path, played, generations=2, ppo={"value_warm_up": 2}, optim="adamw_torch")
    before = own(trainer.critic)
    assert largest(update(trainer)) == 0
    assert difference(own(trainer.critic), before) > 1e-3


@pytest.mark.parametrize("kind", ["shared", "separate"])
def test_the_critic_learns_to_foresee(toy_player: Path, played: list[Trajectory], tmp_path: Path, kind: str) -> None:
    settings = {"critic": kind, "value_clip": None, "value_coefficient": 10.0}
    options: dict[str, Any] = {"optim": "adamw_torch", "learning_rate": 3e-3, "max_grad_norm": 1.0}
    trainer = make(toy_player, tmp_path, played, generations=30, ppo=settings, **options)
    trainer.train()
    logged = [each for each in trainer.state.log_history if "critic/value_loss" in each]
    assert min(each["critic/value_loss"] for each in logged[-8:]) < 0.5 * logged[0]["critic/value_loss"]
    assert logged[0]["critic/explained_variance"] == pytest.approx(0, abs=0.01)
    assert max(each["critic/explained_variance"] for each in logged[-8:]) > 0.5
    assert {"critic/clip_share", "critic/value", "critic/return", "clip_ratio/region_mean"} <= logged[-1].keys()


@pytest.mark.parametrize("kind", ["shared", "separate"])
def test_a_resumed_run_ends_where_one_that_was_not_stopped_does(
    toy_player: Path, played: list[Trajectory], tmp_path: Path, kind: str
) -> None:
    options: dict[str, Any] = {"ppo": {"critic": kind}, "optim": "adamw_torch", "learning_rate": 1e-3, "save_every": 1}
    whole = make(toy_player, tmp_path / "whole", played, generations=3, **options)
    whole.train()
    resumed = make(toy_player, tmp_path / "whole", played, generations=3, **options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoints" / "checkpoint-2"))
    assert difference(weights(whole.model), weights(resumed.model)) == 0
    assert difference(own(whole.critic), own(resumed.critic)) == 0
    assert largest(own(whole.critic)) > 0


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT asks for it
def test_lora_trains_an_adapter_beside_which_the_critic_is_kept(
    toy_player: Path, played: list[Trajectory], tmp_path: Path
) -> None:
    def adapted() -> Any:
        torch.manual_seed(0)
        base = AutoModelForCausalLM.from_pretrained(toy_player, dtype=torch.float32)
        return get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))

    for kind in ("shared", "separate"):
        options: dict[str, Any] = {"ppo": {"critic": kind}, "optim": "adamw_torch", "learning_rate": 1e-3}
        trainer = make(toy_player, tmp_path / kind, played, model=adapted(), generations=2, **options)
        moved = update(trainer)
        assert {name for name, each in moved.items() if each.abs().max() > 0} == {
            name for name in moved if "lora_" in name
        }
        trainer.save_model(str(tmp_path / kind / "saved"))
        names = set(load_file(tmp_path / kind / "saved" / "critic.safetensors"))
        assert {"head.weight", "head.bias"} <= names
        assert all("lora_" in name for name in names - {"head.weight", "head.bias"})
        assert (len(names) > 2) == (kind == "separate")
        base = AutoModelForCausalLM.from_pretrained(toy_player, dtype=torch.float32)
        again = PeftModel.from_pretrained(base, tmp_path / kind / "saved")
        critic = Critic(again if kind == "shared" else adapted(), separate=kind == "separate")
        critic.load(tmp_path / kind / "saved")
        assert difference(own(critic), own(trainer.critic)) == 0


def test_a_saved_model_loads_without_its_critic(toy_player: Path, played: list[Trajectory], tmp_path: Path) -> None:
    trainer = make(toy_player, tmp_path, played, ppo={"critic": "separate"})
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "saved", dtype=torch.float32)
    assert difference(weights(loaded), weights(trainer.model)) == 0
    with pytest.raises(CheckpointError, match=r"of another kind \(ppo\.critic\)"):
        Critic(loaded, separate=False).load(tmp_path / "saved")
    with pytest.raises(CheckpointError, match=r"cannot be read: .* Leave out --resume"):
        Critic(loaded, separate=False).load(tmp_path)


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt_oss", "deepseek_v3"])
def test_families_of_models_can_be_judged(family: str) -> None:
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "vocab_size": 32}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
    config = AutoConfig.for_model(family, **sizes, **heads, **FAMILIES[family])
    model = AutoModelForCausalLM.from_config(config)
    turn = Turn("", "", "", "", (1, 2, 3), (4, 5), (-1.0, -1.0))
    for separate in (False, True):
        critic = Critic(model, separate=separate)
        torch.nn.init.normal_(critic.head.weight)
        values = critic.values(rows_to_batch([Row(turn, 0.0)], pad_id=0, multiple=1))
        assert values[0].tolist() == pytest.approx(values_one_by_one(critic, turn), abs=1e-4)


FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen3": {"head_dim": 8},
    "gpt_oss": {"head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1, "layer_types": ["full_attention"]},
    "deepseek_v3": {
        "q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8,
        "first_k_dense_replace": 1,
    },
}  # fmt: skip


def test_a_model_without_a_backbone_can_have_no_critic(toy_player: Path) -> None:
    trunk = AutoModelForCausalLM.from_pretrained(toy_player, dtype=torch.float32).base_model
    with pytest.raises(CheckpointError, match=r"Use estimator=grpo or rloo"):
        Critic(trunk, separate=False)


def test_checkpoints_hold_the_critic_and_what_its_optimiser_knows(
    toy_player: Path, played: list[Trajectory], tmp_path: Path
) -> None:
    trainer = make(toy_player, tmp_path, played, optim="adamw_torch", save_every=1, ppo={"value_learning_rate": 0.5})
    trainer.train()
    folder = tmp_path / "checkpoints" / "checkpoint-1"
    assert set(load_file(folder / "critic.safetensors")) == {"head.weight", "head.bias"}
    state = torch.load(folder / "optimizer.pt", weights_only=True)
    assert state["param_groups"][-1]["lr"] == 0.5
    assert len(state["param_groups"][-1]["params"]) == 2
    assert set(state["param_groups"][-1]["params"]) <= set(state["state"])
    assert json.loads((folder / "trainer_state.json").read_text())["global_step"] == 1
