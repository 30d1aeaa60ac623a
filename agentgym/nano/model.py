"""The model: a small Qwen3 from scratch whose attention starts by matching equal tokens.

A model this small does not find by itself that a label in the task and a label on the page are the same: its loss
stays on a plateau for tens of thousands of examples. Mimetic initialisation (Trockman & Kolter, "Mimetic
Initialization of Self-Attention Layers", 2023) starts it behind that plateau: in every head the query and key weights
are equal, so a token attends to its equals, and the output weights are the transpose of an orthogonal value matrix,
so what is attended to is copied as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.nano.tokenizer import MAX_LENGTH

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

HIDDEN = 160
LAYERS = 4
HEADS = 5
HEAD_DIM = 32
INTERMEDIATE = 384
ROPE_THETA = 1e6  # slow rotation: equal tokens match across a page, whatever their distance


def build_model(tokenizer: PreTrainedTokenizerFast, *, seed: int, layers: int = LAYERS) -> Qwen3ForCausalLM:
    """Build the untrained model. Seeds torch's global generator."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=INTERMEDIATE,
        num_hidden_layers=layers,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        head_dim=HEAD_DIM,
        max_position_embeddings=MAX_LENGTH,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = Qwen3ForCausalLM(config)
    mimetic_init(model)
    return model


def mimetic_init(model: Qwen3ForCausalLM) -> None:
    """Set query = key and output = value transposed, value orthogonal, in every layer. In place."""
    import torch

    with torch.no_grad():
        for layer in model.model.layers:
            attention = layer.self_attn
            torch.nn.init.orthogonal_(attention.v_proj.weight)
            attention.o_proj.weight.copy_(attention.v_proj.weight.T)
            torch.nn.init.orthogonal_(attention.q_proj.weight)
            attention.k_proj.weight.copy_(attention.q_proj.weight)
