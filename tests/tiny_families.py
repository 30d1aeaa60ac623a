"""Tiny random models of the families that are held by tests: one configuration each, and a tokenizer that fits.

Every one has the parts that its family is known for (experts, latent attention, sinks, Mamba blocks, eyes), two layers
of a few dozen numbers, and nano's words. Chat templates are cut down to what is the family's own: its tokens, whether
it takes a system message, and where a thought begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
import transformers
from transformers import AddedToken

from agentgym.nano.tokenizer import CHAT_TEMPLATE, build_tokenizer
from agentgym.policy.model import model_class

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

Router = Literal["yes", "no experts", "not in transformers"]

VOCABULARY = 8320  # nano's tokens and those that a family adds, rounded up
HIDDEN = 32

CHATML = CHAT_TEMPLATE.replace(
    "{% if message['role'] != 'system' %}", "{% if true %}"
)  # nano's own leaves system messages out

TURN = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}PICTURE{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
)
ASSISTANT = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
QWEN3 = CHATML.replace(
    "assistant\n{% endif %}",
    "assistant\n{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}",
)
OPENED = CHATML.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
HARMONY = (
    "{% for message in messages %}<|start|>{{ message['role'] }}<|message|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}{# <|channel|>analysis or final #}"
)
NO_SYSTEM = CHAT_TEMPLATE.replace(
    "{% for message in messages %}",
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system message here') }}{% endif %}"
    "{% for message in messages %}",
)
QWEN_PICTURE = TURN.replace("PICTURE", "<|vision_start|><|image_pad|><|vision_end|>") + ASSISTANT
GLM_PICTURE = TURN.replace("PICTURE", "<|begin_of_image|><|image|><|end_of_image|>") + ASSISTANT
KIMI_PICTURE = TURN.replace("PICTURE", "<|media_begin|>image<|media_content|><|media_pad|><|media_end|>") + ASSISTANT

THINK = ("<think>", "</think>")
QWEN_EYES = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
GLM_EYES = (
    "<|begin_of_image|>",
    "<|end_of_image|>",
    "<|image|>",
    "<|video|>",
    "<|begin_of_video|>",
    "<|end_of_video|>",
)
KIMI_EYES = ("<|media_begin|>", "<|media_content|>", "<|media_end|>", "<|media_pad|>", "<|video_pad|>")
CHANNELS = ("<|start|>", "<|message|>", "<|end|>", "<|channel|>", "<|return|>")

TEXT: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 4096,
}
EXPERTS: dict[str, Any] = {
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
}
LATENT: dict[str, Any] = {
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
    "num_key_value_heads": 4,
}
EYES: dict[str, Any] = {"depth": 1, "hidden_size": 32, "intermediate_size": 48, "num_heads": 4}
SECTIONS: dict[str, Any] = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 1, 1]}
"""How the dimensions of a head are shared between time, height and width."""


@dataclass(frozen=True)
class Family:
    """A family of models."""

    name: str
    """As in ``docs/models.md``."""
    config: Callable[[dict[str, int]], Any]
    """Makes the configuration from the ids of `tokens`."""
    template: str = CHATML
    tokens: tuple[str, ...] = ()
    """Special tokens that the family adds."""
    end: str = "<|im_end|>"
    eyes: Callable[[], Any] | None = None
    """Makes the image processor."""
    needs_torchvision: bool = False
    """Whether the family's own image processor does, so that a checkpoint's cannot be loaded without."""
    router: Router = "no experts"
    """Whether it has a loss that balances its experts."""

    def tokenizer(self) -> Any:
        """Return its tokenizer."""
        return _tokenizer(self.tokens, self.template, self.end)

    def model(self, *, seed: int = 0) -> Any:
        """Return a model with random weights."""
        tokenizer = self.tokenizer()
        config = self.config({token: tokenizer.convert_tokens_to_ids(token) for token in self.tokens})
        torch.manual_seed(seed)
        model = model_class(config).from_config(config)
        model.generation_config.update(do_sample=False, pad_token_id=tokenizer.pad_token_id)
        model.generation_config.eos_token_id = tokenizer.eos_token_id
        return model.float().eval()

    def save(self, folder: Path, *, seed: int = 0) -> Path:
        """Save a checkpoint; return its folder."""
        self.model(seed=seed).save_pretrained(folder)
        self.tokenizer().save_pretrained(folder)
        if self.eyes is not None and not self.needs_torchvision:
            self.eyes().save_pretrained(folder)
        return folder


@cache
def _tokenizer(tokens: tuple[str, ...], template: str, end: str) -> Any:
    tokenizer = build_tokenizer()
    tokenizer.add_tokens([AddedToken(token, special=token not in THINK, normalized=False) for token in tokens])
    tokenizer.eos_token = end
    tokenizer.chat_template = template
    assert len(tokenizer) <= VOCABULARY
    return tokenizer


class KimiEyes:
    """Patches as Kimi K2.5's own image processor makes them; that one needs torchvision, so tests have this.

    Of the real one it has what models and `agentgym.policy.vision` look at: names, grid and patches, not its resizing.
    """

    model_input_names = ("pixel_values", "image_grid_thw")
    merge_size = 2
    patch = 14

    def __call__(self, images: Sequence[NDArray[np.uint8]], *, return_tensors: str) -> dict[str, torch.Tensor]:
        """Return (patches, 3, 14, 14) and (pictures, 3) of pictures cut to whole cells."""
        assert return_tensors == "pt"
        patches, grids, cell = [], [], self.patch * self.merge_size
        for image in images:
            rows, columns = (side // cell * self.merge_size for side in image.shape[:2])
            cut = torch.tensor(image[: rows * self.patch, : columns * self.patch] / 127.5 - 1, dtype=torch.float32)
            tiles = cut.reshape(rows, self.patch, columns, self.patch, 3)
            patches.append(tiles.permute(0, 2, 4, 1, 3).flatten(0, 1))
            grids.append([1, rows, columns])
        return {"pixel_values": torch.cat(patches), "image_grid_thw": torch.tensor(grids)}

    def save_pretrained(self, folder: Path | str) -> None:
        """Leave a file, as the real one does."""
        (Path(folder) / "preprocessor_config.json").write_text("{}")


def _qwen_eyes() -> Any:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    return Qwen2VLImageProcessorPil(patch_size=16, temporal_patch_size=2, merge_size=2, min_pixels=1024)


def _glm_eyes() -> Any:
    from transformers.models.glm46v.image_processing_pil_glm46v import Glm46VImageProcessorPil

    return Glm46VImageProcessorPil(patch_size=14, temporal_patch_size=2, merge_size=2)


def _qwen3_vl(ids: dict[str, int]) -> Any:
    return transformers.Qwen3VLConfig(
        text_config={**TEXT, "rope_parameters": {**SECTIONS, "mrope_interleaved": True}},
        vision_config={
            **EYES,
            "out_hidden_size": HIDDEN,
            "patch_size": 16,
            "deepstack_visual_indexes": [0],
            "num_position_embeddings": 64,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )


def _glm_tokens(ids: dict[str, int]) -> dict[str, int]:
    return {
        "image_token_id": ids["<|image|>"],
        "video_token_id": ids["<|video|>"],
        "image_start_token_id": ids["<|begin_of_image|>"],
        "image_end_token_id": ids["<|end_of_image|>"],
        "video_start_token_id": ids["<|begin_of_video|>"],
        "video_end_token_id": ids["<|end_of_video|>"],
    }


GLM_SIGHT: dict[str, Any] = {**EYES, "out_hidden_size": HIDDEN, "patch_size": 14, "image_size": 56}


def _glm4v(ids: dict[str, int]) -> Any:
    text = {**TEXT, "rope_parameters": SECTIONS | {"mrope_section": [1, 1, 2]}, "model_type": "glm4v_text"}
    return transformers.Glm4vConfig(text_config=text, vision_config=GLM_SIGHT, **_glm_tokens(ids))


def _glm46v(ids: dict[str, int]) -> Any:
    text = {**TEXT, "rope_parameters": SECTIONS | {"mrope_section": [1, 1, 2]}, "model_type": "glm4v_text"}
    return transformers.Glm46VConfig(
        text_config=text, vision_config={**GLM_SIGHT, "model_type": "glm4v_vision"}, **_glm_tokens(ids)
    )


def _glm4v_moe(ids: dict[str, int]) -> Any:
    # half of a head turns with its position
    text = {**TEXT, **EXPERTS, "head_dim": 16, "rope_parameters": SECTIONS | {"mrope_section": [1, 1, 2]}}
    return transformers.Glm4vMoeConfig(text_config=text, vision_config=GLM_SIGHT, **_glm_tokens(ids))


def _kimi_k25(ids: dict[str, int]) -> Any:
    return transformers.Kimi_K25Config(
        text_config={**TEXT, **EXPERTS, **LATENT, "model_type": "deepseek_v3"},
        vision_config={
            "num_hidden_layers": 1,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_attention_heads": 4,
            "pos_emb_height": 8,
            "pos_emb_width": 8,
        },
        projection_hidden_size=32,
        image_token_id=ids["<|media_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|media_begin|>"],
        vision_end_token_id=ids["<|media_end|>"],
        tie_word_embeddings=False,
    )


def _nemotron(ids: dict[str, int]) -> Any:
    del ids
    return transformers.NemotronHConfig(
        **{key: value for key, value in TEXT.items() if key != "num_hidden_layers"},
        layers_block_type=["linear_attention", "moe", "full_attention", "mlp"],
        ssm_state_size=8,
        mamba_num_heads=4,
        mamba_head_dim=16,
        n_groups=1,
        chunk_size=16,
        n_routed_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=16,
        moe_shared_expert_intermediate_size=16,
        moe_latent_size=16,
    )


FAMILIES = (
    Family("Llama", lambda _: transformers.LlamaConfig(**TEXT), template=NO_SYSTEM),
    Family("Qwen3", lambda _: transformers.Qwen3Config(**TEXT), template=QWEN3, tokens=THINK),
    Family("Qwen3-VL", _qwen3_vl, template=QWEN_PICTURE, tokens=QWEN_EYES, eyes=_qwen_eyes),
    Family("Nemotron 3", _nemotron, template=OPENED, tokens=THINK, router="yes"),
    Family(
        "DeepSeek-V3",
        lambda _: transformers.DeepseekV3Config(**{**TEXT, **EXPERTS, **LATENT}),
        template=OPENED,
        tokens=THINK,
        router="yes",
    ),
    Family(
        "Kimi K2.5",
        _kimi_k25,
        template=KIMI_PICTURE,
        tokens=KIMI_EYES,
        eyes=KimiEyes,
        needs_torchvision=True,
        router="not in transformers",
    ),
    Family(
        "GLM-4.5",
        lambda _: transformers.Glm4MoeConfig(**{**TEXT, **EXPERTS}),
        template=QWEN3,
        tokens=THINK,
        router="yes",
    ),
    Family("GLM-4.1V", _glm4v, template=GLM_PICTURE, tokens=GLM_EYES, eyes=_glm_eyes),
    Family("GLM-4.5V", _glm4v_moe, template=GLM_PICTURE, tokens=GLM_EYES, eyes=_glm_eyes, router="yes"),
    Family("GLM-4.6V", _glm46v, template=GLM_PICTURE, tokens=GLM_EYES, eyes=_glm_eyes),
    Family(
        "MiniMax-M2",
        lambda _: transformers.MiniMaxM2Config(
            **TEXT, num_local_experts=4, num_experts_per_tok=2, bos_token_id=None, eos_token_id=None
        ),
        template=OPENED,
        tokens=THINK,
        router="yes",
    ),
    Family(
        "gpt-oss",
        lambda _: transformers.GptOssConfig(**TEXT, num_local_experts=4, num_experts_per_tok=2),
        template=HARMONY,
        tokens=CHANNELS,
        end="<|return|>",
        router="yes",
    ),
)
"""Kimi K2 is DeepSeek-V3 by another name of its configuration; GLM-4.6 and 4.7 are GLM-4.5's class."""
