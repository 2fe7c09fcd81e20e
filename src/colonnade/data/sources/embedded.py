"""Embedded: the small data sets that scikit-learn carries, which need no file and no network."""

from __future__ import annotations

import polars as pl

from colonnade.data.table import frame_digest

_LOADERS = ("breast_cancer", "diabetes", "digits", "iris", "wine")


class Embedded:
    """One of scikit-learn's own data sets.

    Args:
        name: ``breast_cancer`` (569 x 30), ``diabetes`` (442 x 10), ``digits`` (1797 x 64), ``iris`` (150 x 4) or
            ``wine`` (178 x 13).

    Raises:
        ValueError: unknown name.
    """

    def __init__(self, *, name: str) -> None:
        if name not in _LOADERS:
            raise ValueError(f"name={name!r}: one of {', '.join(_LOADERS)}")
        self.name = name
        self._digest = ""

    @property
    def origin(self) -> list[dict[str, str]]:
        """The name of the set, with the digest of its rows."""
        return [{"file": f"scikit-learn {self.name}", "sha256": self._digest}]

    def read(self) -> pl.DataFrame:
        """Features as scikit-learn names them, then ``target``; classes by name where they have one."""
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
        frame = frame.with_columns(target)
        self._digest = frame_digest(frame)
        return frame
