"""Build the starter model: tokenizer, synthetic examples, training, evaluation, checkpoint.

    python scripts/build_nano.py --minutes 30
    python scripts/build_nano.py --resume agentgym/nano/checkpoint --minutes 20 --demonstrations demos.parquet

Supervised training with TRL's `SFTTrainer` on completions only. Examples are made while training goes on and none is
seen twice. The learning rate follows a cosine over the budget, which is ``--steps`` or ``--minutes``, whichever ends
first; a run that ends by steps is reproducible from its seed on one machine, one that ends by minutes is not.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
import math
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet
import torch
from datasets import Features, IterableDataset, List, Value
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

from agentgym.nano import CHECKPOINT
from agentgym.nano.families import FAMILIES, generate
from agentgym.nano.heldout import is_held_out
from agentgym.nano.model import build_model
from agentgym.nano.solve import accuracies
from agentgym.nano.tokenizer import build_tokenizer, completion_ids
from agentgym.policy.chat import ChatEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator

BUFFER = 40  # batches that are sorted by length together, so that little is padded
MAX_TOKENS = 640  # longer examples are left out
EVALUATION_SEED = 1_000_003  # no training run may use it
WARM_UP = 0.03  # share of the budget
PACKAGES = ("torch", "transformers", "trl", "tokenizers", "datasets")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=CHECKPOINT, help="folder for the checkpoint")
    parser.add_argument("--resume", type=Path, help="checkpoint to go on from, instead of a new model")
    parser.add_argument("--seed", type=int, default=1, help="of weights and examples; choose another one to go on")
    parser.add_argument("--minutes", type=float, default=math.inf, help="budget of training time")
    parser.add_argument("--steps", type=int, default=20_000, help="budget of optimiser steps")
    parser.add_argument("--batch", type=int, default=32, help="examples a step")
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="highest one")
    parser.add_argument("--layers", type=int, default=4, help="of a new model")
    parser.add_argument("--demonstrations", type=Path, help="file of scripts/play_demonstrations.py")
    parser.add_argument("--share", type=float, default=0.5, help="of examples taken from the demonstrations")
    parser.add_argument("--id-weight", type=float, default=1.0, help="of the element id behind a label, in the loss")
    parser.add_argument("--evaluate", type=int, default=100, help="synthetic examples a family")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--bf16", action="store_true", help="train under bfloat16 autocast")
    return parser.parse_args()


def read_demonstrations(path: Path) -> list[list[tuple[str, str]]]:
    """Read (prompt, completion) pairs, grouped by task; refuses sentences of the tasks that must stay unseen."""
    tasks: dict[str, list[tuple[str, str]]] = {}
    for row in pyarrow.parquet.read_table(path).to_pylist():
        instruction = row["prompt"].split("\n")[0].removeprefix("Task: ")
        if is_held_out(instruction):
            raise SystemExit(f"{path}: {instruction!r} is a held-out task's sentence. Leave that task out.")
        tasks.setdefault(row["task_id"], []).append((row["prompt"], row["completion"]))
    if not tasks:
        raise SystemExit(f"{path} holds no demonstrations; scripts/play_demonstrations.py makes some.")
    return list(tasks.values())


def pairs(seed: int, demonstrations: list[list[tuple[str, str]]], share: float) -> Iterator[tuple[str, str]]:
    """Yield (prompt, completion) without end: synthetic ones, and ``share`` of demonstrations, all tasks alike."""
    rng = random.Random(seed)  # noqa: S311 (examples, not secrets)
    for example in generate(seed):
        while demonstrations and rng.random() < share:
            yield rng.choice(rng.choice(demonstrations))
        yield example.message, example.completion


def rows(
    seed: int, batch: int, demonstrations: list[list[tuple[str, str]]], share: float, tokenizer: Any
) -> Iterator[dict[str, list[int]]]:
    """Yield tokenized examples, each run of ``batch`` of similar length, the runs in random order."""
    rng = random.Random(seed)  # noqa: S311 (examples, not secrets)
    endless = pairs(seed, demonstrations, share)
    encoder = ChatEncoder(tokenizer)
    while True:
        buffer = []
        for prompt, completion in itertools.islice(endless, batch * BUFFER):
            left, right = encoder.encode(prompt), completion_ids(tokenizer, completion)
            mask = [0] * len(left) + [1] * len(right)
            if len(mask) <= MAX_TOKENS:
                buffer.append({"input_ids": left + right, "completion_mask": mask})
        buffer.sort(key=lambda row: len(row["input_ids"]))
        runs = [buffer[i : i + batch] for i in range(0, len(buffer) - batch + 1, batch)]
        rng.shuffle(runs)
        for run in runs:
            yield from run


class Budget(TrainerCallback):  # type: ignore[misc]  # transformers has no types here
    """Knows what share of steps or minutes is used, sets the learning rate by it, and ends the run."""

    def __init__(self, *, steps: int, minutes: float) -> None:
        self.steps = steps
        self.seconds = minutes * 60
        self.started = time.monotonic()

    def used(self, step: int) -> float:
        """Return the used share, 0 to 1."""
        return min(1.0, max(step / self.steps, (time.monotonic() - self.started) / self.seconds))

    def rate(self, step: int) -> float:
        """Return the factor of the learning rate: linear warm-up, then a cosine to 2 %."""
        used = self.used(step)
        return used / WARM_UP if used < WARM_UP else 0.02 + 0.49 * (1 + math.cos(math.pi * used))

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Stop when the budget is used."""
        control.should_training_stop = self.used(state.global_step) >= 1
        return control

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Print one line of progress."""
        if logs and "loss" in logs:
            minutes = (time.monotonic() - self.started) / 60
            accuracy = float(logs.get("mean_token_accuracy", math.nan))
            print(
                f"step {state.global_step}  loss {float(logs['loss']):.3f}  tokens right {accuracy:.3f}"
                f"  {state.global_step / minutes / 60:.1f} steps/s  {minutes:.1f} min",
                flush=True,
            )


class CompletionTrainer(SFTTrainer):  # type: ignore[misc]  # trl has no types here
    """SFTTrainer whose vocabulary layer sees completion tokens only.

    TRL's fused head skips the prompt on CUDA alone; on a CPU it scores every position, six times the cost of the rest.
    The element id behind a label may weigh more: it is the one token that says where to act, and is learnt last.
    """

    def __init__(self, *args: Any, id_weight: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._id_weight = id_weight
        pieces = self.processing_class.convert_ids_to_tokens(range(len(self.processing_class)))
        self._opens_id = torch.tensor([float(piece.endswith("[")) for piece in pieces])  # (vocabulary,)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the mean cross-entropy of completion tokens: TRL's ``nll``, but for the weight of element ids."""
        labels = inputs["labels"][:, 1:]  # (B, T-1)
        before = inputs["input_ids"][:, :-1]  # (B, T-1), the token that each label follows
        hidden = model.model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False)
        chosen = labels != -100
        logits = model.lm_head(hidden.last_hidden_state[:, :-1][chosen]).float()  # (completion tokens, vocabulary)
        wanted = labels[chosen]
        right = (logits.detach().argmax(-1) == wanted).float().mean()
        self._metrics["train"]["mean_token_accuracy"].append(right.item())
        weights = 1 + (self._id_weight - 1) * self._opens_id[before[chosen]]  # (completion tokens,)
        loss = (weights * torch.nn.functional.cross_entropy(logits, wanted, reduction="none")).sum()
        loss = loss / (len(wanted) if num_items_in_batch is None else num_items_in_batch)
        return (loss, {"logits": logits}) if return_outputs else loss


def train(model: Any, tokenizer: Any, options: argparse.Namespace) -> tuple[int, float]:
    """Train in place; return steps and minutes."""
    demonstrations = read_demonstrations(options.demonstrations) if options.demonstrations else []
    dataset = IterableDataset.from_generator(
        rows,
        features=Features({"input_ids": List(Value("int64")), "completion_mask": List(Value("int64"))}),
        gen_kwargs={
            "seed": options.seed,
            "batch": options.batch,
            "demonstrations": demonstrations,
            "share": options.share,
            "tokenizer": tokenizer,
        },
    )
    decayed = [each for each in model.parameters() if each.ndim > 1]
    plain = [each for each in model.parameters() if each.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}],
        lr=options.learning_rate,
        betas=(0.9, 0.98),
    )
    budget = Budget(steps=options.steps, minutes=options.minutes)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = CompletionTrainer(
            model,
            SFTConfig(
                output_dir=scratch,
                max_steps=options.steps,
                per_device_train_batch_size=options.batch,
                completion_only_loss=True,
                max_length=MAX_TOKENS,
                activation_checkpointing=False,
                bf16=options.bf16,
                use_cpu=True,
                seed=options.seed,
                save_strategy="no",
                logging_steps=50,
                disable_tqdm=True,
                report_to="none",
            ),
            train_dataset=dataset,
            processing_class=tokenizer,
            callbacks=[budget],
            id_weight=options.id_weight,
            optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, budget.rate)),
        )
        budget.started = time.monotonic()
        trainer.train()
    return trainer.state.global_step, (time.monotonic() - budget.started) / 60


def evaluate(model: Any, tokenizer: Any, count: int) -> dict[str, float]:
    """Return greedy accuracy by family on examples that no training run has seen."""
    model.eval()
    examples = [
        each
        for index, family in enumerate(FAMILIES)
        for each in itertools.islice(generate(EVALUATION_SEED + index, family=family), count)
    ]
    return {family: round(value, 4) for family, value in accuracies(model, tokenizer, examples).items()}


def main() -> None:
    """Build and save."""
    options = arguments()
    torch.set_num_threads(options.threads)
    if options.resume:
        tokenizer = AutoTokenizer.from_pretrained(options.resume)
        model = AutoModelForCausalLM.from_pretrained(options.resume, dtype=torch.float32)
        earlier = json.loads((options.resume / "build.json").read_text(encoding="utf-8"))["runs"]
    else:
        tokenizer = build_tokenizer()
        model = build_model(tokenizer, seed=options.seed, layers=options.layers)
        earlier = []
    print(f"{model.num_parameters():,} parameters, {len(tokenizer)} tokens", flush=True)
    steps, minutes = train(model, tokenizer, options)
    run = {
        "seed": options.seed,
        "steps": steps,
        "examples": steps * options.batch,
        "minutes": round(minutes, 1),
        "learning_rate": options.learning_rate,
        "id_weight": options.id_weight,
        "demonstrations": options.demonstrations.name if options.demonstrations else None,
        "share": options.share if options.demonstrations else 0.0,
    }
    model = model.to(torch.bfloat16)
    model.generation_config.update(do_sample=False, pad_token_id=tokenizer.pad_token_id)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(options.output)
    tokenizer.save_pretrained(options.output)
    build = {
        "parameters": model.num_parameters(),
        "runs": [*earlier, run],
        "accuracy": evaluate(model.to(torch.float32), tokenizer, options.evaluate),
        "examples_a_family": options.evaluate,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }
    (options.output / "build.json").write_text(json.dumps(build, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(build["accuracy"], indent=2))


if __name__ == "__main__":
    main()
