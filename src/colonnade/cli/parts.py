"""Parts: what ``inspect`` shows of train, validation and test rows beside one another."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from colonnade.core.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from rich.console import Console

    from colonnade.core.schema import TargetKind
    from colonnade.data.stability import Stability
    from colonnade.data.table import Table

# An AUC from which a column is marked, if it is also this many standard errors above that of chance.
DRIFT, CERTAIN = 0.6, 4.0
MAX_COLUMNS = 60


def show_parts(console: Console, cfg: DictConfig, table: Table, kind: TargetKind | None) -> None:
    """Split the rows as a training would, and print how alike the parts are, the least stable columns first.

    Args:
        console: where it is printed.
        cfg: names the split.
        table: the data.
        kind: of the target; None: it cannot be learned.

    Raises:
        ConfigError: there is no target that can be learned, without which no split is made.
    """
    from rich.markup import escape
    from rich.table import Table as Grid

    from colonnade.config.build import build
    from colonnade.data.leakage import leak_scores
    from colonnade.data.stability import stability

    if kind is None:
        raise ConfigError("parts=true compares the parts of a split, which needs a target: data.target=<column>")
    split = build(cfg.split).split(table, kind, cfg.seed)
    rows = split.parts()
    found = stability(table.frame, table.schema, rows, seed=cfg.seed)
    scores = leak_scores(table.frame, table.schema, kind)
    others = [part for part in rows if part != "train" and len(rows[part])]
    sizes = ", ".join(f"{part} {len(index):,}" for part, index in rows.items())
    console.print(f"\n[bold]Parts[/]  {escape(split.how)}: {sizes} rows\n", soft_wrap=True)
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    grid.add_column("column", no_wrap=True, overflow="ellipsis", max_width=34)
    headers = [f"AUC {part}" for part in others] + ["missing"] + [f"unseen {part}" for part in others]
    for header in (*headers, "says of the target"):
        grid.add_column(header, justify="right")
    grid.add_row("[dim]all together[/]", *(_auc(found[part].together, found[part]) for part in others))
    worst = sorted(table.schema.features, key=lambda name: -max(_known(found[part].auc[name]) for part in others))
    for name in worst[:MAX_COLUMNS]:
        grid.add_row(
            escape(name),
            *(_auc(found[part].auc[name], found[part]) for part in others),
            _missing([found[part].missing[name] for part in ("train", *others)]),
            *(_percent(found[part].unseen.get(name, 0.0)) for part in others),
            "" if math.isnan(scores[name]) else f"{max(scores[name], 0.0):.3f}",
        )
    console.print(grid)
    if len(worst) > MAX_COLUMNS:
        console.print(f"[dim]and {len(worst) - MAX_COLUMNS} columns that are more stable[/]")
    errors = {part: 2 * found[part].error for part in others if not math.isnan(found[part].error)}
    chance = f" ({', '.join(f'{part} ± {error:.3f}' for part, error in errors.items())})" if errors else ""
    console.print(
        f"[dim]AUC: telling a row from a train row by the column alone; chance gives .5{chance}[/]", soft_wrap=True
    )


def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _auc(value: float, of: Stability) -> str:
    if math.isnan(value):
        return "[dim]too few rows[/]"
    drifts = value >= DRIFT and value > 0.5 + CERTAIN * of.error
    return f"[yellow]{value:.3f}[/]" if drifts else f"{value:.3f}"


def _missing(shares: list[float]) -> str:
    """One share where all are alike, else one for each part."""
    if max(shares) - min(shares) < 0.001:
        return _percent(shares[0])
    return " / ".join(f"{share:.1%}" for share in shares)


def _percent(share: float) -> str:
    return f"{share:.1%}" if share else ""
