"""Policies that see: real screenshots through a tiny random model with eyes, into prompts, rows and an update."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from trl import GRPOTrainer

from agentgym.episode import EpisodeKey, Trajectory
from agentgym.errors import CheckpointError, ConfigError
from agentgym.policy.sight import Sight
from agentgym.policy.speech import Speech
from agentgym.policy.transformers import TransformersPolicy
from agentgym.registry import get_task, make_world
from agentgym.rollout.collector import Collector, EpisodeRequest
from agentgym.rollout.store import TrajectoryStore
from agentgym.train.config import PPOConfig
from agentgym.train.pictures import model_inputs, seen
from agentgym.train.ppo import AgentPPOTrainer
from agentgym.train.rows import Row, rows_to_batch, slices_by_length
from agentgym.train.trainer import AgentGRPOTrainer
from tests.learning import largest, make_trainer, update
from tests.tiny_families import FAMILIES
from tests.toy_world import TOY, ToyWorld

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli_answer import Answer

QWEN3_VL = next(family for family in FAMILIES if family.name == "Qwen3-VL")
SIGHT = Sight(screenshots=2, longest_side=128, elements=False)
GROUP = 4


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return QWEN3_VL.save(tmp_path_factory.mktemp("models") / "eyes")


@pytest.fixture(scope="module")
def policy(checkpoint: Path) -> TransformersPolicy:
    return load(checkpoint)


def load(checkpoint: Path, sight: Sight = SIGHT, **options: Any) -> TransformersPolicy:
    speech = Speech("qwen-computer")
    return TransformersPolicy.from_pretrained(
        checkpoint, device="cpu", max_new_tokens=5, sight=sight, speech=speech, **options
    )


@pytest.fixture(scope="module")
def played(policy: TransformersPolicy) -> list[Trajectory]:
    """Attempts in the real browser, of which every other one counts as a success."""
    torch.manual_seed(0)
    task = copy.copy(get_task("miniwob/click-button"))
    task.max_steps = 3
    requests = [EpisodeRequest(EpisodeKey(task.id, 1, attempt), task) for attempt in range(GROUP)]
    with make_world("browser", num_slots=2, screenshot=True) as world:
        found = sorted(Collector(world, policy).collect(requests), key=lambda each: each.key.attempt)
    assert all(each.outcome != "infrastructure" for each in found)
    return [judged(each, each.key.attempt % 2) for each in found]


def judged(trajectory: Trajectory, score: int) -> Trajectory:
    return replace(trajectory, score=float(score), outcome="success" if score else "failure", penalty=0.0)


def turns_of(trajectories: list[Trajectory]) -> list[Row]:
    return [
        Row(turn, 1.0, pictures=each.pictures(number))
        for each in trajectories
        for number, turn in enumerate(each.turns)
    ]


def test_prompts_hold_a_window_of_screenshots_that_slides(policy: TransformersPolicy, played: list[Trajectory]) -> None:
    for trajectory in played:
        assert [turn.shown for turn in trajectory.turns] == [1, 2, 2]
        assert "Screenshot 1 turn ago:\n[screenshot]\nScreenshot now:\n[screenshot]" in trajectory.turns[2].prompt
        first, second, third = (turn.screenshot for turn in trajectory.turns)
        assert trajectory.pictures(0) == (first,)
        assert trajectory.pictures(2)[0] is second
        assert trajectory.pictures(2)[1] is third
        assert first is not None
        assert first.std() > 0  # a page, not a blank
    assert policy.vision is not None
    shown = policy.vision.shown(played[0].pictures(0)[0])
    assert max(shown.shape) == 128
    counts = policy.vision.token_counts(policy.vision.pixels([shown]))
    assert played[0].turns[0].prompt_ids.count(policy.vision.placeholder) == counts[0]
    assert played[0].turns[2].prompt_ids.count(policy.vision.placeholder) == 2 * counts[0]


def test_log_probabilities_are_those_of_a_plain_pass_over_the_pictures(
    policy: TransformersPolicy, played: list[Trajectory]
) -> None:
    vision = policy.vision
    assert vision is not None
    for row in turns_of(played):
        ids = torch.tensor([[*row.turn.prompt_ids, *row.turn.completion_ids]])
        inputs = vision.inputs(ids, vision.pixels(row.pictures))
        with torch.no_grad():
            logits = policy.model(input_ids=ids, **inputs).logits[0, len(row.turn.prompt_ids) - 1 : -1]
        found = logits.log_softmax(-1).gather(-1, torch.tensor(row.turn.completion_ids)[:, None])[:, 0]
        torch.testing.assert_close(found, torch.tensor(row.turn.logprobs), atol=1e-4, rtol=0)


def test_the_model_sees_what_is_on_screen(policy: TransformersPolicy, played: list[Trajectory]) -> None:
    vision, row = policy.vision, turns_of(played)[0]
    assert vision is not None
    ids = torch.tensor([row.turn.prompt_ids])
    with torch.no_grad():
        as_seen = policy.model(input_ids=ids, **vision.inputs(ids, vision.pixels(row.pictures))).logits[0, -1]
        inverted = [255 - each for each in row.pictures]
        other = policy.model(input_ids=ids, **vision.inputs(ids, vision.pixels(inverted))).logits[0, -1]
    assert (as_seen - other).abs().max() > 1e-4


def test_the_image_processor_of_the_model_counts_as_we_do(policy: TransformersPolicy) -> None:
    from transformers import Qwen3VLProcessor

    vision = policy.vision
    assert vision is not None
    composite = Qwen3VLProcessor.__new__(Qwen3VLProcessor)  # making one needs torchvision; what it writes does not
    composite.image_processor, composite.image_token = vision.processor, "<|image_pad|>"
    for width, height in ((160, 210), (64, 64), (321, 100)):
        pixels = vision.pixels([np.zeros((height, width, 3), np.uint8)])
        text = composite.replace_image_token({"image_grid_thw": pixels.image_grid_thw}, 0)
        assert text == "<|image_pad|>" * vision.token_counts(pixels)[0]


def test_a_store_keeps_a_screenshot_once_and_gives_the_window_back(played: list[Trajectory], tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)
    store.append(played)
    distinct = {turn.screenshot.tobytes() for each in played for turn in each.turns if turn.screenshot is not None}
    assert len(list((tmp_path / "images").iterdir())) == len(distinct)
    for before, after in zip(played, store.read(), strict=True):
        assert before == after
        for number in range(len(before.turns)):
            pairs = zip(before.pictures(number), after.pictures(number), strict=True)
            assert all(np.array_equal(one, other) for one, other in pairs)


def test_pictures_stay_with_their_rows(policy: TransformersPolicy, played: list[Trajectory]) -> None:
    rows = turns_of(played)
    wanted = {(row.turn.prompt_ids, row.turn.completion_ids): row.pictures for row in rows}
    assert len(wanted) == len(rows)
    whole = rows_to_batch(rows, pad_id=0, multiple=8)
    count = len(whole["pictures"])
    assert [len(each) for each in whole["pictures"]] == [row.turn.shown for row in rows] + [0] * (count - len(rows))
    cut = [
        {
            key: value[start : start + 4] if isinstance(value, list) or value.ndim else value
            for key, value in whole.items()
        }
        for start in range(0, count, 4)
    ]
    for each in slices_by_length(cut, len(cut)):
        for number, pictures in enumerate(each["pictures"]):
            prompt, completion = (
                tuple(each[f"{side}_ids"][number][each[f"{side}_mask"][number] > 0].tolist())
                for side in ("prompt", "completion")
            )
            expected = wanted.pop((prompt, completion), ())
            assert len(expected) == len(pictures)
            assert all(one is other for one, other in zip(expected, pictures, strict=True))
        made = seen(each, policy.vision)
        patches = sum(int(grid.prod()) for grid in made.get("image_grid_thw", ()))
        assert patches == len(made.get("pixel_values", ()))
        if model_inputs(made):
            assert sum(made["num_images"]) == len(made["image_grid_thw"])
    assert not wanted


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_a_step_on_screenshots_moves_the_eyes(
    checkpoint: Path, policy: TransformersPolicy, played: list[Trajectory], tmp_path: Path, beta: float
) -> None:
    trainer, noted = make_trainer(
        checkpoint,
        tmp_path,
        played,
        vision=policy.vision,
        steps_per_generation=2,
        beta=beta,
        gradient_accumulation_steps=2,
    )
    moved = update(trainer)
    assert noted[0].rows == len(turns_of(played))
    assert max(change.abs().max().item() for name, change in moved.items() if "visual" in name) > 1e-6
    assert largest(moved) < 1  # also not NaN


def test_a_step_of_ppo_on_screenshots_moves_the_eyes(
    checkpoint: Path, policy: TransformersPolicy, played: list[Trajectory], tmp_path: Path
) -> None:
    trainer, _ = make_trainer(
        checkpoint, tmp_path, played, kind=AgentPPOTrainer, vision=policy.vision, options={"ppo": PPOConfig()}
    )
    moved = update(trainer)
    assert max(change.abs().max().item() for name, change in moved.items() if "visual" in name) > 1e-6
    assert largest(moved) < 1  # also not NaN
    assert trainer.state.log_history[0]["critic/value_loss"] > 0


def test_pictures_are_scored_as_by_trl(
    checkpoint: Path, policy: TransformersPolicy, played: list[Trajectory], tmp_path: Path
) -> None:
    trainer, _ = make_trainer(checkpoint, tmp_path, played, vision=policy.vision, temperature=0.7)
    batch = seen(rows_to_batch(turns_of(played), pad_id=0, multiple=8), policy.vision)
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    ours, theirs = (
        scoring._get_per_token_logps_and_entropies(
            trainer,
            trainer.model,
            ids,
            mask,
            batch["completion_ids"].shape[1],
            compute_entropy=True,
            num_images=batch["num_images"],
            **model_inputs(batch),
        )[:2]
        for scoring in (AgentGRPOTrainer, GRPOTrainer)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert one is not None
        torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


def test_slices_change_nothing(
    checkpoint: Path, policy: TransformersPolicy, played: list[Trajectory], tmp_path: Path
) -> None:
    whole = update(make_trainer(checkpoint, tmp_path / "whole", played, vision=policy.vision)[0])
    options: dict[str, Any] = {"steps_per_generation": 4, "gradient_accumulation_steps": 4}
    cut = update(make_trainer(checkpoint, tmp_path / "cut", played, vision=policy.vision, **options)[0])
    assert largest(whole) > 1e-3
    assert max((whole[name] - cut[name]).abs().max().item() for name in whole) < 1e-5


def test_a_trained_model_is_saved_with_its_eyes(
    checkpoint: Path, policy: TransformersPolicy, played: list[Trajectory], tmp_path: Path
) -> None:
    trainer, _ = make_trainer(checkpoint, tmp_path / "run", played, vision=policy.vision)
    update(trainer)
    trainer.save_model(str(tmp_path / "final"))
    again = load(tmp_path / "final")
    for name, tensor in again.model.state_dict().items():
        torch.testing.assert_close(tensor, trainer.model.state_dict()[name])


def test_elements_stand_below_the_screenshots(checkpoint: Path) -> None:
    policy = load(checkpoint, Sight(screenshots=1))
    world = ToyWorld(screenshot=True)
    task = TOY["toy/press"]
    (episode,) = Collector(world, policy).collect([EpisodeRequest(EpisodeKey(task.id, 0), task)])
    text = episode.turns[0].prompt
    assert "Screenshot now:\n[screenshot]\nScreen:\nbutton" in text
    assert '" at (' in text  # a dialect of points


def test_a_world_without_screenshots_is_told(policy: TransformersPolicy) -> None:
    task = TOY["toy/press"]
    with pytest.raises(ConfigError, match="screenshot=True"):
        list(Collector(ToyWorld(), policy).collect([EpisodeRequest(EpisodeKey(task.id, 0), task)]))


def test_a_model_that_sees_plays_by_text_too(checkpoint: Path) -> None:
    policy = load(checkpoint, Sight())
    task = TOY["toy/press"]
    (episode,) = Collector(ToyWorld(), policy).collect([EpisodeRequest(EpisodeKey(task.id, 0), task)])
    assert episode.turns[0].shown == 0


def test_a_model_without_eyes_is_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="reads text alone"):
        load(tiny_checkpoint)


def test_a_template_that_shows_no_picture_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    template = tmp_path / "template.jinja"
    template.write_text("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    with pytest.raises(CheckpointError, match="does not show a picture"):
        load(checkpoint, chat_template=template)


def test_a_missing_image_processor_is_told(checkpoint: Path, tmp_path: Path) -> None:
    QWEN3_VL.save(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match="image processor"):
        load(tmp_path)


def test_a_sampled_placeholder_ends_a_completion(policy: TransformersPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    task = TOY["toy/press"]
    assert policy.vision is not None
    head, place = policy.model.get_output_embeddings(), policy.vision.placeholder

    def prefer(_module: Any, _inputs: Any, logits: torch.Tensor) -> torch.Tensor:
        logits[..., place] = 1e4
        return logits

    hook = head.register_forward_hook(prefer)
    try:
        world = ToyWorld(screenshot=True)
        (episode,) = Collector(world, policy).collect([EpisodeRequest(EpisodeKey(task.id, 0), task)])
    finally:
        hook.remove()
    assert all(turn.completion_ids == () for turn in episode.turns)


@pytest.mark.usefixtures("toy_plugin")
def test_a_checkpoint_with_eyes_is_scored_by_the_command(
    agentgym: Callable[..., Answer], checkpoint: Path, tmp_path: Path
) -> None:
    command = ("eval", "--policy", checkpoint, "--tasks", "toy/press", "--episodes", 1, "--max-new-tokens", 2)
    answer = agentgym(*command, "--screenshots", 2, "--no-elements", "--thinking-tokens", 2, "--out", tmp_path)
    assert answer.code == 0
    (episode,) = TrajectoryStore(tmp_path).read()
    assert [turn.shown for turn in episode.turns] == [1, 2, 2, 2, 2]
    assert "Screen:" not in episode.turns[0].prompt
    again = agentgym(*command, "--out", tmp_path)
    assert again.code != 0
    assert "screenshots 2" in again.err


@pytest.mark.usefixtures("toy_plugin")
def test_a_size_without_screenshots_is_refused(agentgym: Callable[..., Answer], checkpoint: Path) -> None:
    answer = agentgym("eval", "--policy", checkpoint, "--tasks", "toy/press", "--longest-side", 64)
    assert answer.code != 0
    assert "--screenshots 1 or more" in answer.err
