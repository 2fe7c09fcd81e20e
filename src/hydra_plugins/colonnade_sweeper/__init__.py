"""Hydra plugin: ``-m`` starts our search.

Hydra executes this file while it scans for plugins, in every program of the environment that uses Hydra: it imports
nothing heavy.
"""

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class ColonnadeSweeper(Sweeper):
    """Hands the words of the command line to :func:`colonnade.tuning.sweep.sweep`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before :meth:`sweep`."""
        self.config = config
        self.loader = hydra_context.config_loader

    def sweep(self, arguments: list[str]) -> None:
        """Called by Hydra with the overrides that are not its own."""
        from colonnade.tuning.sweep import sweep

        sweep(arguments, self.config, self.loader)
