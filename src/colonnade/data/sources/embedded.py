"""Embedded: the small data sets that scikit-learn and statsmodels carry, which need no file and no network."""

from __future__ import annotations

import polars as pl

from colonnade.core.optional import optional_import
from colonnade.data.table import frame_digest

_LOADERS = ("breast_cancer", "diabetes", "digits", "iris", "wine")
_OF_STATSMODELS = "co2"


class Embedded:
    """One of scikit-learn's own data sets, or a series of statsmodels.

    Args:
        name: ``breast_cancer`` (569 x 30), ``diabetes`` (442 x 10), ``digits`` (1797 x 64), ``iris`` (150 x 4) or
            ``wine`` (178 x 13); or ``co2``: carbon dioxide in the air over Mauna Loa in each of 2284 weeks, of which 59
            lack a measurement: they are filled by straight lines between those before and behind.

    Raises:
        ValueError: unknown name.
    """

    def __init__(self, *, name: str) -> None:
        if name not in (*_LOADERS, _OF_STATSMODELS):
            raise ValueError(f"name={name!r}: one of {', '.join((*_LOADERS, _OF_STATSMODELS))}")
        self.name = name
        self._digest = ""

    @property
    def origin(self) -> list[dict[str, str]]:
        """The name of the set, with the digest of its rows."""
        library = "statsmodels" if self.name == _OF_STATSMODELS else "scikit-learn"
        return [{"file": f"{library} {self.name}", "sha256": self._digest}]

    def read(self) -> pl.DataFrame:
        """Features as scikit-learn names them, then ``target``, classes by name where they have one; of ``co2`` columns
        ``week`` and ``co2``, in parts per million.

        Raises:
            MissingExtraError: statsmodels is not installed.
        """
        frame = _co2() if self.name == _OF_STATSMODELS else self._of_scikit_learn()
        self._digest = frame_digest(frame)
        return frame

    def _of_scikit_learn(self) -> pl.DataFrame:
        from sklearn import datasets

        load = {
            "breast_cancer": datasets.load_breast_cancer,
            "diabetes": datasets.load_diabetes,
            "digits": datasets.load_digits,
            "iris": datasets.load_iris,
            "wine": datasets.load_wine,
        }[self.name]
        bunch = load(scaled=False) if self.name == "diabetes" else load()
        frame = pl.DataFrame(bunch["data"], schema=list(bunch["feature_names"]))
        target = pl.Series("target", bunch["target"])
        if self.name in ("breast_cancer", "iris", "wine"):
            target = pl.Series("target", [str(bunch["target_names"][i]) for i in bunch["target"]])
        return frame.with_columns(target)


def _co2() -> pl.DataFrame:
    data = optional_import("statsmodels.datasets.co2", "forecast").load_pandas().data
    weeks = pl.Series("week", data.index.strftime("%Y-%m-%d").tolist())
    values = pl.Series("co2", data["co2"].to_numpy(), nan_to_null=True, dtype=pl.Float64)
    return pl.DataFrame([weeks, values.interpolate()])
