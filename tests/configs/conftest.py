"""Every file of ``conf/`` is tried."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _figures(unrendered: None) -> None:
    """See :func:`unrendered`."""
