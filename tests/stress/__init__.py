"""Stress with the factory as oracle. Run ``python -m tests.stress`` with SECONDS and SEED in the environment."""
