"""Baselines: trees, linear models and constants behind the same door as networks."""
