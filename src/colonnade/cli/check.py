"""The verb ``check``: what ``train`` checks before it reads data."""

from __future__ import annotations

import sys
from collections.abc import Sequence

HELP = """colonnade check [group=choice ...] [key=value ...]

Checks a configuration as `colonnade train` does, without reading data: every fault at once.
"""


def check(words: Sequence[str]) -> None:
    """Compose and check the configuration that the words describe."""
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return
    from colonnade.config.check import check as check_config
    from colonnade.config.compose import compose

    check_config(compose(words))
    sys.stdout.write("the configuration is sound\n")
