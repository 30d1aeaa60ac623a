"""Evaluation: success of a policy on tasks, with confidence intervals, and the report."""
