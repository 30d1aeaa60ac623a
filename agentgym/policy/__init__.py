"""Policies: random, oracle, a transformers checkpoint."""
