"""Nano: the starter model that the library ships, and everything it is built from.

A transformer of under six million parameters that reads a page as text and answers with one action. It is trained on
synthetic pages only (`agentgym.nano.families`), so it sees well and forms actions well, but knows no suite's
conventions: those are what a run of reinforcement learning teaches it. `scripts/build_nano.py` builds it.

Not here: anything from a benchmark's tasks. The synthetic instructions avoid the sentences of the tasks that the
quick start learns (`agentgym.nano.heldout`).
"""

from __future__ import annotations

from pathlib import Path

CHECKPOINT = Path(__file__).parent / "checkpoint"
"""The shipped weights, tokenizer and chat template, for ``AutoModelForCausalLM.from_pretrained``."""
