"""The contract of backbones that forecast, over every one that the package defines."""

from __future__ import annotations

from functools import partial

import pytest

from colonnade.nn import backbones
from colonnade.nn.backbones.deepar import DeepAR
from colonnade.nn.backbones.dlinear import DLinear
from colonnade.nn.backbones.encoder_decoder import EncoderDecoder
from colonnade.nn.backbones.forecast import ForecastBackbone, SeesAhead
from colonnade.nn.backbones.itransformer import ITransformer
from colonnade.nn.backbones.nhits import NHiTS
from colonnade.nn.backbones.nlinear import NLinear
from colonnade.nn.backbones.patchtst import PatchTST
from colonnade.nn.backbones.tft import TFT
from colonnade.nn.backbones.tide import TiDE
from colonnade.nn.backbones.tsmixer import TSMixer
from colonnade.nn.forecast import ForecastNetwork
from colonnade.testing.backbones import backbones_in
from colonnade.testing.forecasts import CHECKS, check_covariates_export, check_export

CASES = {
    "nlinear": partial(NLinear),
    "dlinear": partial(DLinear, kernel=5),
    "patchtst": partial(PatchTST, patch=8, stride=4, d_block=8, n_blocks=2, n_heads=2, d_hidden=16),
    "tide": partial(TiDE, d_hidden=16, d_decoded=4, d_temporal=8, n_decoder=2),
    "itransformer": partial(ITransformer, d_block=8, n_heads=2, d_hidden=16),
    "tsmixer": partial(TSMixer, d_hidden=8, dropout=0.1),
    "nhits": partial(NHiTS, d_hidden=16, pool=(5, 1), downsample=(3, 1)),
    "gru_forecast": partial(EncoderDecoder, d_hidden=8, d_decoder=8, dropout=0.1),
    "deepar": partial(DeepAR, d_hidden=8),
    "tft": partial(TFT, d_hidden=8, n_heads=2),
}


def build(case, spec):
    return ForecastNetwork(spec=spec, backbone=CASES[case])


def test_every_backbone_that_forecasts_is_covered():
    found = {backbone for backbone in backbones_in(backbones) if issubclass(backbone, ForecastBackbone)}
    assert {case.func for case in CASES.values()} == found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(case, check):
    check(partial(build, case))


@pytest.mark.parametrize("case", CASES)
def test_export(case):
    check_export(partial(build, case))


@pytest.mark.parametrize("case", [name for name, case in CASES.items() if issubclass(case.func, SeesAhead)])
def test_export_of_covariates(case):
    check_covariates_export(partial(build, case))
