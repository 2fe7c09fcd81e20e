"""Preload: what a job needs, imported once by the process that jobs are forked from."""

import gc
import importlib
import pkgutil

import colonnade

ROOMS = ("config", "core", "data", "nn", "report", "runs", "tasks", "training")
LIBRARIES = (
    "hydra.compose",
    "hydra.core.override_parser.overrides_parser",
    "hydra.utils",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "PIL.Image",
    "rich._emoji_codes",
    "safetensors.torch",
    "scipy.stats",
    "sklearn.datasets",
    "sklearn.metrics",
    "tensorboard.plugins.hparams.metadata",
    "torch.utils.serialization.config",
    "torch.utils.tensorboard",
)

# Nothing of it is garbage.
gc.disable()
for library in LIBRARIES:
    importlib.import_module(library)
# What needs an extra imports it when it is used, so that every module of ours can be imported.
for room in ROOMS:
    package = importlib.import_module(f"{colonnade.__name__}.{room}")
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.startswith("colonnade.runs.worker"):
            importlib.import_module(found.name)
importlib.import_module("colonnade.tuning.launchers.child")
importlib.import_module("PIL.Image").preinit()
# A job that looks through all objects for garbage would get a copy of the memory of each.
gc.collect()
gc.freeze()
gc.enable()
