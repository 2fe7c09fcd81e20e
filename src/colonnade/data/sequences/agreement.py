"""Agreement: which arguments of a data set of sequences do not go together."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from colonnade.data.sequences.elapsed import check_unit


def check_layout(*, one: bool, time: str | None, channels: Sequence[str] | None) -> None:
    """Refuse a table that is wide and long, or whose channels are none.

    Args:
        one: whether all rows are one series.
        time: column that orders the steps.
        channels: of a wide table.

    Raises:
        ValueError: naming what does not go together.
    """
    if channels is None:
        return
    if one:
        raise ValueError(f"channels={list(channels)} says that each row is a series, and id=null that all are one")
    if time is not None:
        raise ValueError(f"channels={list(channels)} says that the table is wide, and time={time} that it is long")
    if not channels or len(set(channels)) < len(channels):
        raise ValueError(f"channels={list(channels)}: one name or more, each once")


def check_windows(*, horizon: int | None, context: int | None, season: int, short: str, weight: str | None) -> None:
    """Refuse what windows cannot be; see :class:`~colonnade.data.sequences.dataset.SequenceDataset` for the arguments.

    Raises:
        ValueError: naming what does not go together, or is out of range.
    """
    if (horizon is None) != (context is None):
        raise ValueError(f"horizon={horizon} and context={context}: a forecast needs both")
    for key, value in (("horizon", horizon), ("context", context), ("season", season)):
        if value is not None and value < 1:
            raise ValueError(f"{key}={value} must be at least 1")
    if horizon is not None and weight is not None:
        raise ValueError(f"weight={weight}: all windows of a forecast weigh the same")
    if short not in ("skip", "repeat"):
        raise ValueError(f"short={short!r}: skip or repeat")


def check_times(
    *, time: str | None, elapsed: str | None, frequency: str | float | None, fill: str | None, horizon: int | None
) -> None:
    """Refuse what needs times where there are none; see there.

    Raises:
        ValueError: naming what does not go together.
    """
    if fill not in (None, "forward"):
        raise ValueError(f"fill={fill!r}: forward or null")
    if horizon is None and (frequency is not None or fill is not None):
        raise ValueError(f"frequency={frequency} and fill={fill} are of series that are forecast: set horizon")
    if frequency is not None and time is None:
        raise ValueError(f"frequency={frequency} is of the column `time`, which is not set")
    check_unit(elapsed, time)
    if elapsed is not None and fill is not None:
        raise ValueError(f"elapsed={elapsed} and fill={fill}: where missing steps are put in, all are as far apart")


def check_covariates(
    *, future: Sequence[str], static: Sequence[str], target: Collection[str], horizon: int | None
) -> None:
    """Refuse columns that are known ahead or static and cannot be.

    Raises:
        ValueError: naming what does not go together.
    """
    for key, names in (("future", future), ("static", static)):
        if names and horizon is None:
            raise ValueError(f"{key}={list(names)} is of series that are forecast: set horizon")
        if twice := set(names) & {*target}:
            raise ValueError(f"{key}={list(names)} holds what is forecast: {', '.join(sorted(twice))}")
    if twice := set(future) & set(static):
        raise ValueError(f"future and static both name {', '.join(sorted(twice))}: what is static needs no future")
