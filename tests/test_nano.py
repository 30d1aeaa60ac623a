"""The starter model: its tokenizer, its synthetic examples, what it must not have seen, and the shipped checkpoint."""

from __future__ import annotations

import itertools
import json
import string
import subprocess
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from agentgym.action import ACTIONS, parse_completion
from agentgym.errors import ActionError
from agentgym.nano import CHECKPOINT
from agentgym.nano.families import FAMILIES, generate
from agentgym.nano.heldout import is_held_out
from agentgym.nano.solve import accuracies, answers, is_right
from agentgym.nano.tokenizer import END, PAD, START, build_tokenizer, completion_ids, encode_text
from agentgym.policy.chat import ChatEncoder
from agentgym.policy.transformers import TransformersPolicy
from agentgym.registry import get_suite, make_world
from agentgym.task import Instance, seed_of

if TYPE_CHECKING:
    from agentgym.nano.pages import Example

EXAMPLES = 3_000
EVALUATION_SEED = 1_000_003  # as in scripts/build_nano.py: no training run uses it
MAX_PARAMETERS = 6_000_000
MAX_BYTES = 12_000_000
PIECES = st.sampled_from(
    (*string.printable, START, END, PAD, "<0x41>", '" [', "]\n", "12", "submit", "Ünïcode", "日本", "🙂")
)


@cache
def tokenizer() -> Any:
    return build_tokenizer()


@cache
def examples() -> tuple[Example, ...]:
    return tuple(itertools.islice(generate(11), EXAMPLES))


@given(st.lists(PIECES | st.text(max_size=8), max_size=12).map("".join))
def test_no_character_is_lost_and_no_text_becomes_a_special_token(text: str) -> None:
    ids = encode_text(tokenizer(), text)
    assert tokenizer().decode(ids) == text
    assert not set(tokenizer().all_special_ids) & set(ids)


def test_every_element_id_is_one_token() -> None:
    assert [len(encode_text(tokenizer(), str(number))) for number in range(1000)] == [1] * 1000
    assert len(encode_text(tokenizer(), '"ok" [12]\n')) == 5


def test_the_tokenizer_is_the_same_every_time_and_after_it_was_saved(tiny_checkpoint: Path) -> None:
    text = "".join(example.message + example.completion for example in examples()[:50])
    saved = AutoTokenizer.from_pretrained(tiny_checkpoint)
    assert encode_text(build_tokenizer(), text) == encode_text(tokenizer(), text) == encode_text(saved, text)
    assert (saved.eos_token, saved.pad_token, saved.chat_template) == (END, PAD, tokenizer().chat_template)


def test_prompt_and_completion_are_one_conversation_of_the_chat_template() -> None:
    encoder = ChatEncoder(tokenizer())
    for example in examples()[:100]:
        user, assistant = (
            {"role": "user", "content": example.message},
            {"role": "assistant", "content": example.completion},
        )
        text = tokenizer().apply_chat_template([user, assistant], tokenize=False)
        ids = encoder.encode(example.message) + completion_ids(tokenizer(), example.completion)
        assert tokenizer().decode(ids) + "\n" == text


def test_every_completion_holds_the_right_action() -> None:
    for example in examples():
        assert parse_completion(example.completion) == example.action
        assert is_right(example, example.completion)
        assert not is_right(example, "wait(123)")
        assert not is_right(example, "I do not know")
        element = getattr(example.action, "element", None)
        assert element is None or example.observation.element(element) is not None
        assert example.action.name in ACTIONS


def test_every_family_comes_up() -> None:
    assert {example.family for example in examples()} >= set(FAMILIES)


def test_no_example_carries_a_held_out_sentence() -> None:
    assert [each.observation.instruction for each in examples() if is_held_out(each.observation.instruction)] == []


def test_examples_are_the_same_for_the_same_seed_in_every_process() -> None:
    code = (
        "import itertools, zlib\nfrom agentgym.nano.families import generate\n"
        "for seed in (3, 4):\n"
        "    print(zlib.crc32(repr(list(itertools.islice(generate(seed), 200))).encode()))"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    here = [zlib.crc32(repr(list(itertools.islice(generate(seed), 200))).encode()) for seed in (3, 4)]
    assert done.stdout.split() == [str(each) for each in here]
    assert here[0] != here[1]


def test_the_held_out_list_is_no_catch_all() -> None:
    allowed = ("Click the button.", "Press ok.", "Fill the field with x.", 'Open the tab "Mail".', "", "Click submit")
    assert [sentence for sentence in allowed if is_held_out(sentence)] == []
    assert sum(is_held_out(f"{sentence} Then press ok.") for sentence in allowed) == 0


def test_every_sentence_of_the_quick_starts_tasks_is_held_out() -> None:
    suite = get_suite("miniwob-quickstart")
    wanted = [Instance(task, seed_of(index, split="train")) for task in suite.tasks for index in range(5)]
    with make_world("browser", num_slots=5) as world:
        for start in range(0, len(wanted), 5):
            group = wanted[start : start + 5]
            for slot, observation in world.reset(dict(enumerate(group))).items():
                assert not isinstance(observation, Exception), observation
                assert is_held_out(observation.instruction), f"{group[slot].task.id}: {observation.instruction}"


def test_answers_are_the_policys_greedy_completions_in_the_order_of_the_questions(tiny_checkpoint: Path) -> None:
    policy = TransformersPolicy.from_pretrained(tiny_checkpoint, device="cpu", temperature=0.0, max_new_tokens=96)
    asked = [example.message for example in examples()[:4]]
    assert answers(policy.model, policy.tokenizer, asked) == [each.text for each in policy.answer(asked)]
    rates = accuracies(policy.model, policy.tokenizer, examples()[:4])
    assert set(rates) == {example.family for example in examples()[:4]}
    assert all(0 <= rate <= 1 for rate in rates.values())


def test_the_shipped_checkpoint_is_small_standard_and_speaks() -> None:
    assert CHECKPOINT.is_dir(), "build it with scripts/build_nano.py"
    assert sum(path.stat().st_size for path in CHECKPOINT.iterdir()) <= MAX_BYTES
    with safe_open(CHECKPOINT / "model.safetensors", "pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"BF16"}  # noqa: SIM118 (no mapping)
    model = AutoModelForCausalLM.from_pretrained(CHECKPOINT, dtype=torch.float32)
    loaded = AutoTokenizer.from_pretrained(CHECKPOINT)
    assert model.config.model_type == "qwen3"
    assert model.num_parameters() <= MAX_PARAMETERS
    assert loaded.chat_template
    build = json.loads((CHECKPOINT / "build.json").read_text(encoding="utf-8"))
    assert build["runs"]
    assert all({"seed", "minutes", "examples"} <= set(run) for run in build["runs"])

    asked = list(itertools.islice(generate(EVALUATION_SEED), 10))
    texts = answers(model, loaded, [example.message for example in asked])
    assert sum(_parses(text) for text in texts) >= 8


def _parses(text: str) -> bool:
    try:
        parse_completion(text)
    except ActionError:
        return False
    return True
