"""Training: GRPO on TRL from episodes that the model plays itself."""
