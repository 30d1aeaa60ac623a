"""Chat templates as published: those that TRL keeps of the families, on nano's words."""

from __future__ import annotations

from importlib import resources

import pytest
from transformers import AddedToken

from agentgym.errors import CheckpointError
from agentgym.nano.tokenizer import build_tokenizer
from agentgym.policy.chat import ChatEncoder, Picture

TEMPLATES = resources.files("trl").joinpath("chat_templates")
QWEN_END = "<|im_end|>\n<|im_start|>assistant\n"
FINAL = "<|end|><|start|>assistant<|channel|>final<|message|>"
SPECIAL = ("<think>", "</think>", "<|image_pad|>", "<image>", "<|channel|>", "<|message|>", "<|start|>", "<|end|>")


def encoder(template: str, *, thinking: bool = False, placeholder: str | None = None) -> tuple[ChatEncoder, str]:
    """An encoder of a template, and a prompt of it as text."""
    tokenizer = build_tokenizer()
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    tokenizer.bos_token = "<|im_start|>"
    tokenizer.chat_template = TEMPLATES.joinpath(f"{template}.jinja").read_text()
    made = ChatEncoder(tokenizer, "The rules.", thinking=thinking, placeholder=placeholder)
    parts = ("Task: go",) if placeholder is None else ("Task: go", Picture(3), "and see")
    return made, str(tokenizer.decode(made.encode(*parts)))


@pytest.mark.parametrize(
    ("template", "acting", "thinking"),
    [
        ("qwen3", QWEN_END + "<think>\n\n</think>\n\n", QWEN_END),
        ("qwen3_instruct_2507", QWEN_END, QWEN_END),
        ("qwen3_vl", QWEN_END, QWEN_END),
        ("nemotron_3_nano", QWEN_END + "<think></think>", QWEN_END + "<think>\n"),
        ("deepseekv3", "<｜Assistant｜><think>\n\n</think>\n\n", "<｜Assistant｜><think>\n"),  # noqa: RUF001 (its token)
        ("glm4moe", "<|assistant|>\n<think></think>", "<|assistant|>"),
        ("gptoss", FINAL, "<|end|><|start|>assistant"),
        ("llama3_1", "assistant<|end_header_id|>\n\n", "assistant<|end_header_id|>\n\n"),
        ("gemma", "model\n", "model\n"),  # knows no system message
        ("smolvlm", "Assistant:", "Assistant:"),  # knows no text that is not a list of parts
    ],
)
def test_a_prompt_ends_where_a_thought_or_the_answer_begins(template: str, acting: str, thinking: str) -> None:
    for ending, allowed in ((acting, False), (thinking, True)):
        made, text = encoder(template, thinking=allowed)
        assert text.endswith(ending)
        assert text.count("The rules.") == text.count("Task: go") == 1
        assert made.opened == text.rstrip().endswith("<think>")


@pytest.mark.parametrize(
    ("template", "placeholder", "block"),
    [
        ("qwen3_vl", "<|image_pad|>", "<|vision_start|><|image_pad|><|image_pad|><|image_pad|><|vision_end|>"),
        ("qwen2_5_vl", "<|image_pad|>", "<|vision_start|><|image_pad|><|image_pad|><|image_pad|><|vision_end|>"),
        ("smolvlm", "<image>", "<image><image><image>"),
    ],
)
def test_a_picture_stands_between_texts_with_all_its_tokens(template: str, placeholder: str, block: str) -> None:
    _, text = encoder(template, placeholder=placeholder)
    assert text.count("The rules.") == 1
    assert f"Task: go{block}and see" in text


def test_a_template_that_puts_pictures_elsewhere_is_refused() -> None:
    with pytest.raises(CheckpointError, match="does not show a picture between"):
        encoder("llava_next", placeholder="<image>")
