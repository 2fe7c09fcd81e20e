"""Preload: what a job needs, imported once by the process that jobs are forked from."""

import gc
import importlib
import pkgutil

import hydra.compose
import hydra.core.override_parser.overrides_parser
import hydra.utils
import matplotlib.backends.backend_agg
import matplotlib.figure
import PIL.Image
import rich._emoji_codes
import safetensors.torch
import scipy.stats
import sklearn.datasets
import sklearn.metrics
import tensorboard.plugins.hparams.metadata
import torch.utils.serialization.config
import torch.utils.tensorboard

import colonnade

ROOMS = ("config", "core", "data", "nn", "report", "runs", "tasks", "training")
__all__ = ["PIL", "hydra", "matplotlib", "rich", "safetensors", "scipy", "sklearn", "tensorboard", "torch"]

# What needs an extra imports it when it is used, so that every module of ours can be imported.
for room in ROOMS:
    package = importlib.import_module(f"{colonnade.__name__}.{room}")
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.startswith("colonnade.runs.worker"):
            importlib.import_module(found.name)
importlib.import_module("colonnade.tuning.launchers.child")
PIL.Image.preinit()
# A job that looks through all objects for garbage would get a copy of the memory of each.
gc.collect()
gc.freeze()
