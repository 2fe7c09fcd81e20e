"""Libyaml: OmegaConf's YAML is read by it, which takes a tenth of the time that Python does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import omegaconf._utils as room
import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

T = TypeVar("T")

try:
    # PyYAML may have been built without.
    from yaml.cyaml import CParser
except ImportError:
    CParser = None

SafeLoader: Any = yaml.SafeLoader if CParser is None else yaml.CSafeLoader
_own = room.get_yaml_loader


def quickly(read: Callable[[], T]) -> T:
    """What a function gives, which reads YAML with OmegaConf.

    Args:
        read: it is called anew, as OmegaConf itself reads, where libyaml finds an error, of which that shows the line.
    """
    if CParser is None:
        return read()
    room.get_yaml_loader = _loader
    try:
        return read()
    except yaml.YAMLError:
        room.get_yaml_loader = _own
        return read()
    finally:
        room.get_yaml_loader = _own


@cache
def _loader() -> Any:
    """OmegaConf's rules on what a scalar is and that keys differ, behind another parser."""

    class Loader(CParser, _own()):  # type: ignore[misc]
        def __init__(self, stream: Any) -> None:
            CParser.__init__(self, stream)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)

    return Loader
