"""Commands of these tests run within this process."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _figures(without_figures: None) -> None:
    """See :func:`without_figures`."""
