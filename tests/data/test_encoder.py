"""Encoder: what a stored pipeline may name."""

import pytest
import torch

from colonnade.core.errors import RunFolderError
from colonnade.data.encoder import Encoder, step_class
from colonnade.data.steps.clip import SmoothClip, SmoothClipped
from colonnade.data.steps.impute import Imputed


def test_stored_names_import_nothing_foreign() -> None:
    assert step_class("colonnade.data.steps.impute:Imputed") is Imputed
    with pytest.raises(RunFolderError, match="import 'antigravity' before loading, if you trust it"):
        step_class("antigravity:fly")
    with pytest.raises(RunFolderError, match="'os:system', but that is no fitted step"):
        step_class("os:system")
    with pytest.raises(RunFolderError, match="'colonnade.data.steps.clip:SmoothClip', but that is no fitted step"):
        step_class("colonnade.data.steps.clip:SmoothClip")


def test_a_step_that_cannot_be_exported_is_told() -> None:
    class Stuck(SmoothClipped):
        """Fitted, but bound to this process."""

        exportable = False

    limit = torch.tensor(SmoothClip().limit, dtype=torch.float64)
    assert Encoder({"clip": SmoothClipped(names=["a"], limit=limit)}).exportable
    assert not Encoder({"clip": Stuck(names=["a"], limit=limit)}).exportable
