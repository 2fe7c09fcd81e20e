"""Compose, check, build and record configurations. The only room that makes what a ``_target_`` names."""
