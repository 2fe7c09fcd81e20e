"""Compose, check, build and record configurations. The only room that calls Hydra's ``instantiate``."""
