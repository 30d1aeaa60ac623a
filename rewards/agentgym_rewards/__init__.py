"""Rewards: ways to judge what an agent has done.

`matching` compares the state that a page or program was left in with what was asked for.
"""

from agentgym_rewards.matching import fields_match, items_match, text_matches

__all__ = ["fields_match", "items_match", "text_matches"]
