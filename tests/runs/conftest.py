"""Many of these tests train and export."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _exports(one_registry: None) -> None:
    """See :func:`one_registry`."""


@pytest.fixture(scope="module", autouse=True)
def _figures(without_figures: None) -> None:
    """See :func:`without_figures`."""
