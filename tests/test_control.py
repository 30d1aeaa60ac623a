"""PPO on a control problem whose solution is known: it finds the shortest way from everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import transformers

from agentgym.episode import EpisodeKey
from agentgym.policy.transformers import TransformersPolicy
from agentgym.rollout.collector import Collector, EpisodeRequest
from agentgym.train.config import PPOConfig, TrainConfig
from agentgym.train.folder import RunFolder
from agentgym.train.learner import grpo_arguments, make_trainer
from agentgym.train.ppo import AgentPPOTrainer
from agentgym.train.rows import Row
from agentgym.train.trainer import Schedule
from tests.corridor import CELLS, GOAL, STARTS, Corridor
from tests.toy_world import ToyWorld

if TYPE_CHECKING:
    from pathlib import Path

    from agentgym.episode import Trajectory

GENERATIONS, GROUPS, GROUP_SIZE, EPOCHS = 22, 8, 4, 4  # at most; some ten generations are enough
STEP_PENALTY = 0.1
RANDOM_RETURN = 0.2  # what the untrained player's walks give: about half of them arrive, after three steps
TASK = Corridor()


class UntilSolved(transformers.TrainerCallback):  # type: ignore[misc]  # transformers has no types here
    """Ends training with the generation after which the model walks the shortest way from everywhere."""

    def __init__(self, policy: TransformersPolicy) -> None:
        self.greedy = TransformersPolicy(policy.model, policy.tokenizer, temperature=0, max_new_tokens=8)
        self.walks = walk(self.greedy)

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> Any:
        if state.global_step % EPOCHS == 0:
            self.walks = walk(self.greedy)
            control.should_training_stop = solved(self.walks)
        return control


def walk(policy: TransformersPolicy) -> list[Trajectory]:
    """Episodes on instances that are not trained on, from every start."""
    requests = [EpisodeRequest(EpisodeKey(TASK.id, seed), TASK) for seed in range(2_000, 2_016)]
    walks = list(Collector(ToyWorld(num_slots=16), policy).collect(requests))
    assert {start(each) for each in walks} == set(STARTS)
    return walks


def solved(walks: list[Trajectory]) -> bool:
    return all(each.success and len(each.turns) == abs(start(each) - GOAL) for each in walks)


def start(walked: Trajectory) -> int:
    (place,) = [index for index, name in enumerate(CELLS) if f'"{name}" [2]' in walked.turns[0].prompt]
    return place


def test_ppo_solves_the_corridor(toy_player: Path, tmp_path: Path) -> None:
    policy = TransformersPolicy.from_pretrained(toy_player, device="cpu", max_new_tokens=8)
    config = TrainConfig(
        model=str(toy_player),
        tasks=(),
        generations=GENERATIONS,
        groups=GROUPS,
        group_size=GROUP_SIZE,
        max_new_tokens=8,
        checkpoint_every=GENERATIONS,
        estimator="gae",
        step_penalty=STEP_PENALTY,
        ppo=PPOConfig(critic="separate", value_learning_rate=3e-3, value_coefficient=1.0),
        grpo={
            "learning_rate": 1e-3,
            "lr_scheduler_type": "constant",
            "optim": "adamw_torch",
            "loss_type": "dapo",
            "num_iterations": EPOCHS,
            "max_grad_norm": 0.5,
            "report_to": "none",
        },
    )
    until = UntilSolved(policy)
    assert not solved(until.walks)
    trainer = make_trainer(
        config,
        model=policy.model,
        processing_class=policy.tokenizer,
        args=grpo_arguments(config, RunFolder(tmp_path)),
        source=Collector(ToyWorld(num_slots=GROUPS * GROUP_SIZE), policy),
        schedule=Schedule([TASK], GROUPS, GROUP_SIZE, seed=0),
        callbacks=[until],
    )
    trainer.train()

    assert solved(until.walks)
    assert isinstance(trainer, AgentPPOTrainer)
    judged = trainer._judge([Row(each.turns[0], 0.0) for each in until.walks])
    expected = sum(float(values[0]) for values in judged) / len(judged)
    assert (
        RANDOM_RETURN + 0.15 < expected < 1
    )  # the critic knows what walks that are drawn give, which is less than 0.85
