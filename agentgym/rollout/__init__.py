"""Rollouts: playing episodes with a policy, and keeping them."""
