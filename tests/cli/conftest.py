"""Commands of these tests run within this process."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _figures(undrawn: None) -> None:
    """See :func:`undrawn`."""
