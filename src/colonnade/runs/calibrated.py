"""Calibrated: what follows the decoder of a run, from its fit on validation rows to its files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig
from torch import Tensor

from colonnade.config.build import build
from colonnade.core.errors import ConfigError
from colonnade.core.files import write_json
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.evaluation.options import Calibration
from colonnade.evaluation.reliability import belief, reliability
from colonnade.evaluation.scaling import fit_scaling
from colonnade.tasks.base import Task
from colonnade.tasks.calibrator import Calibrator
from colonnade.tasks.measures.rows import rows_that_count
from colonnade.tasks.scaling import SCALINGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CALIBRATION = "calibration.json"
STATE = "calibration.safetensors"
NEEDED_OF_CALIBRATION = (CALIBRATION, STATE)
FITTED_ON = "val"


@dataclass(frozen=True)
class Scored:
    """Predictions of a part beside what is true.

    Args:
        prediction: what a decoder gives.
        truth: as ``Task.truth`` gives it.
        weight: ``(N,)``; None means one.
    """

    prediction: dict[str, Tensor]
    truth: Tensor
    weight: Tensor | None


@dataclass
class Calibrated:
    """A calibrator on its way: fitted on one part, applied to all, each measured before and after.

    Args:
        calibration: how probabilities are calibrated.
        spec: of the data.
    """

    calibration: Calibration
    spec: BatchSpec
    calibrator: Calibrator = field(init=False)
    rows: int = field(init=False)
    parts: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)
    figures: dict[str, Figure] = field(init=False, default_factory=dict)

    def fit(self, scored: Scored) -> None:
        """Fit on rows that the model did not learn from."""
        kind = str(self.spec.target_kind)
        names = self.spec.classes if kind == TargetKind.CLASS else self.spec.target_names
        probability = scored.prediction["probability"].cpu()
        weight = None if scored.weight is None else scored.weight.cpu()
        scaling = fit_scaling(self.calibration.method, probability, scored.truth.cpu(), weight, kind, names)
        self.calibrator = Calibrator(kind, scaling=scaling)
        self.rows = len(probability)

    def apply(self, part: str, scored: Scored, *, drawn: bool) -> dict[str, Tensor]:
        """The prediction of a part, calibrated; how far probabilities were off before and after is kept.

        Args:
            part: its name.
            scored: what was predicted.
            drawn: whether a figure is made.
        """
        kind = self.calibrator.kind
        before = {name: values.cpu() for name, values in scored.prediction.items()}
        after = self.calibrator.apply_to(before)
        truth = scored.truth.cpu()
        weight = None if scored.weight is None else scored.weight.cpu()
        measured = [reliability(each["probability"], truth, weight, kind) for each in (before, after)]
        self.parts[part] = dict(zip(("before", "after"), (found and asdict(found) for found in measured)))
        if drawn and measured[0] is not None and measured[1] is not None:
            from colonnade.report.calibration import before_and_after

            pair = [belief(rows_that_count(each, truth, weight), kind) for each in (before, after)]
            believed, came_true = ([of.flatten().numpy() for of in part] for part in zip(*pair))
            errors = (measured[0].calibration_error, measured[1].calibration_error)
            self.figures["calibration"] = before_and_after(
                (believed[0], believed[1]), (came_true[0], came_true[1]), errors=errors, rows=f"{part} rows"
            )
        return after

    def write(self, folder: Path, part: str = FITTED_ON) -> None:
        """Write ``calibration.json`` and ``calibration.safetensors``.

        Args:
            folder: of the run.
            part: what it was fitted on.
        """
        from safetensors.torch import save_file

        write_json(
            folder / CALIBRATION,
            {"method": self.calibration.method, "fitted_on": part, "rows": self.rows, "reliability": self.parts},
        )
        save_file({name: t.contiguous() for name, t in self.calibrator.state_dict().items()}, folder / STATE)


def calibrates(cfg: DictConfig) -> bool:
    """Whether a configuration, which may be one of an earlier version, asks for anything after the decoder."""
    return cfg.get("calibration") is not None


def wanted(cfg: DictConfig, task: Task, rows: int) -> Calibrated | None:
    """What a configuration asks for; None: nothing.

    Args:
        cfg: the configuration.
        task: set up.
        rows: for validation.

    Raises:
        ConfigError: the task has no probabilities, or there are no validation rows.
    """
    if not calibrates(cfg):
        return None
    options = build(cfg.calibration)
    options.check(task)
    if not rows:
        raise ConfigError("calibration: there are no validation rows to fit it on: calibration=none, or another split=")
    return Calibrated(options, task.spec)


def read_calibrator(folder: Path, kind: str) -> Calibrator:
    """The calibrator of a run, from its files.

    Args:
        folder: of the run.
        kind: of its target.
    """
    from safetensors.torch import load_file

    told = json.loads((folder / CALIBRATION).read_text(encoding="utf-8"))
    state = {name.removeprefix("scaling."): tensor for name, tensor in load_file(folder / STATE).items()}
    return Calibrator(kind, scaling=SCALINGS[told["method"]](kind, **state))
