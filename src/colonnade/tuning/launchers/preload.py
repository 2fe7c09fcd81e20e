"""Preload: what a job needs, imported once by the process that jobs are forked from."""

import importlib
import pkgutil

import matplotlib.backends.backend_agg
import matplotlib.figure
import PIL.Image
import scipy.stats
import sklearn.metrics
import torch.utils.tensorboard

import colonnade

ROOMS = ("config", "core", "data", "nn", "report", "runs", "tasks", "training")
__all__ = ["PIL", "matplotlib", "scipy", "sklearn", "torch"]

# What needs an extra imports it when it is used, so that every module of ours can be imported.
for room in ROOMS:
    package = importlib.import_module(f"{colonnade.__name__}.{room}")
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.startswith("colonnade.runs.worker"):
            importlib.import_module(found.name)
importlib.import_module("colonnade.tuning.launchers.child")
