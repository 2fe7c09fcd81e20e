"""Layout: which columns an embedded row holds, and how wide each is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import accumulate

from colonnade.core.errors import ConfigError, collect


@dataclass(frozen=True)
class Layout:
    """What the embeddings hand to a backbone: one segment per encoded column, side by side.

    Args:
        names: encoded columns in the order of their segments, numeric ones first.
        widths: width of each segment; 1 for a number that is not embedded.
        n_num: how many of the columns are numeric.
    """

    names: tuple[str, ...]
    widths: tuple[int, ...]
    n_num: int

    @property
    def n_columns(self) -> int:
        """Number of encoded columns."""
        return len(self.names)

    @property
    def d_flat(self) -> int:
        """Width of a whole embedded row."""
        return sum(self.widths)

    @property
    def embeds_numbers(self) -> bool:
        """Whether numeric columns are embedded, rather than handed on as they are."""
        return any(width > 1 for width in self.widths[: self.n_num])

    def places(self, names: Collection[str]) -> tuple[int, ...]:
        """Positions in an embedded row of the segments of some columns.

        >>> Layout(names=("a", "b", "c"), widths=(1, 2, 1), n_num=1).places(["b"])
        (1, 2)
        """
        ends = list(accumulate(self.widths))
        return tuple(
            i
            for name, end, width in zip(self.names, ends, self.widths)
            if name in names
            for i in range(end - width, end)
        )

    def require_tokens(self, *, d_token: int, backbone: str, key: str) -> None:
        """Every column must be a token ``d_token`` wide.

        Args:
            d_token: width that the backbone takes.
            backbone: its name, for the message.
            key: the YAML key that sets ``d_token``.

        Raises:
            ConfigError: naming the YAML keys of the embeddings that give another width, and ``key``.
        """
        parts = {"model.numerical": self.widths[: self.n_num], "model.categorical": self.widths[self.n_num :]}
        with collect(ConfigError, f"{backbone} takes one token of width {key}={d_token} per column") as faults:
            for part, widths in parts.items():
                wrong = sorted({w for w in widths if w != d_token})
                if wrong:
                    found = ", ".join(map(str, wrong[:5])) + (", ..." if len(wrong) > 5 else "")
                    faults.add(
                        f"{part} gives width {found}; set {part}.d_embedding and {key} to the same value, with an "
                        "embedding that has d_embedding (LinearEmbedding, CategoricalEmbedding, ...)"
                    )
