"""Search space: words of Hydra's grammar, such as ``tag(log, interval(1e-4, 1e-2))``, as distributions of Optuna."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from colonnade.core.errors import Faults

if TYPE_CHECKING:
    from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
    from optuna.distributions import BaseDistribution

FORMS = "interval(a, b), int(interval(a, b)), tag(log, interval(a, b)), range(a, b, step) or choice(a, b, ...)"


@dataclass(frozen=True)
class Dimension:
    """One dimension of a search.

    Args:
        key: the key of the configuration, such as ``optim.lr``.
        distribution: of its values. Those of a categorical one are texts of Hydra's grammar.
        prefix: ``++`` where YAML does not spell the key out.
    """

    key: str
    distribution: BaseDistribution
    prefix: str = ""

    def word(self, value: Any) -> str:
        """The override that sets a value of the distribution."""
        return f"{self.prefix}{self.key}={value}"

    def ends(self) -> list[Any]:
        """Its two bounds, or all its choices."""
        from optuna.distributions import CategoricalDistribution

        found = self.distribution
        if isinstance(found, CategoricalDistribution):
            return list(found.choices)
        return [found.low, found.high]  # type: ignore[attr-defined]

    def point(self, value: Any) -> Any:
        """A value of the configuration as one of the distribution; None when it lies outside."""
        from optuna.distributions import CategoricalDistribution

        found = self.distribution
        if isinstance(found, CategoricalDistribution):
            text = grammar(value)
            same = [choice for choice in found.choices if _same(str(choice), text)]
            return same[0] if same else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        low, high, step = found.low, found.high, found.step  # type: ignore[attr-defined]
        inside = low <= value <= high and type(low)(value) == value
        between = step is not None and not math.isclose((value - low) / step, round((value - low) / step), abs_tol=1e-9)
        return type(low)(value) if inside and not between else None


def parse_space(words: Mapping[str, Any], faults: Faults, where: str = "search") -> dict[str, Dimension]:
    """Read a mapping from keys to words.

    Args:
        words: such as ``{"optim.lr": "tag(log, interval(1e-4, 1e-2))"}``; None leaves a key out.
        faults: where what cannot be read is added.
        where: names the mapping in a fault.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    space = {}
    for key, text in words.items():
        if text is None:
            continue
        try:
            override = OverridesParser.create().parse_override(f"{key}={text}")
        except HydraException:
            faults.add(f"{where}: '{key}: {text}' is not {FORMS}")
            continue
        found = dimension(override, faults, where)
        if found is not None:
            space[str(key)] = found
    return space


def dimension(override: Override, faults: Faults, where: str) -> Dimension | None:
    """One word, taken apart, as a dimension; None, and a fault, when it gives no range."""
    from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep
    from optuna.distributions import CategoricalDistribution

    key, value = override.key_or_group, override.value()
    try:
        match value:
            case IntervalSweep():
                return Dimension(key, _interval(value))
            case RangeSweep():
                return Dimension(key, _range(value))
            case ChoiceSweep():
                return Dimension(key, CategoricalDistribution([grammar(choice) for choice in value.list]))
    except ValueError as error:
        faults.add(f"{where}: '{override.input_line}': {error}")
        return None
    faults.add(f"{where}: '{override.input_line}' is not {FORMS}")
    return None


def grammar(value: Any) -> str:
    """A value as Hydra's grammar writes it.

    >>> grammar([8, 8]), grammar(None), grammar(True), grammar("a")
    ('[8,8]', 'null', 'true', 'a')
    """
    from hydra.core.override_parser.types import Override, QuotedString

    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, QuotedString):
        return value.with_quotes()
    return Override._get_value_element_as_str(value)


def _interval(sweep: IntervalSweep) -> BaseDistribution:
    from optuna.distributions import FloatDistribution, IntDistribution

    low, high = sweep.start, sweep.end
    if low is None or high is None or not low < high:
        raise ValueError(f"the first bound must be below the second, got {low} and {high}")
    log = "log" in sweep.tags
    if log and not low > 0:
        raise ValueError(f"tag(log, ...) needs bounds above 0, got {low}")
    # Hydra's `int(interval(1, 4))` has whole bounds, `interval(1.0, 4.0)` and `float(...)` have not.
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _range(sweep: RangeSweep) -> BaseDistribution:
    from optuna.distributions import FloatDistribution, IntDistribution

    values = list(sweep.range())
    if len(values) < 2:
        raise ValueError("a range needs at least two values")
    # Hydra's range excludes its stop, Optuna's includes it.
    low, high = min(values[0], values[-1]), max(values[0], values[-1])
    step = abs(values[1] - values[0])
    if all(isinstance(value, int) for value in values):
        return IntDistribution(int(low), int(high), step=int(step))
    return FloatDistribution(float(low), float(high), step=float(step))


def _same(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return one.replace(" ", "") == other.replace(" ", "")
