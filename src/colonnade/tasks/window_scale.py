"""WindowScale: how much what is forecast moves within the window that is looked back at; it exports."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colonnade.core.spec import BatchSpec

# Of the mean size of the values: a window that stands still has an interval too.
LEAST = 1e-4


class WindowScale(nn.Module):
    """Mean absolute difference of the steps of a window to those a season before, of each value: the error that a
    seasonal naive forecast had in it.

    Scores of conformal prediction that are divided by it are alike for series of different size (locally weighted
    conformal prediction: Lei et al., 2018, section 5.2). It is known of a series that was never seen.

    Args:
        positions: of what is forecast, among the raw numbers.
        context: steps that are looked back at.
        horizon: steps that are forecast.
        season: steps of a season; a window that is not longer is compared with the step before.
        least: ``(C,)``, added, in the units of the values: of no account but where everything is 0.
    """

    positions: Tensor
    least: Tensor

    def __init__(
        self, *, positions: tuple[int, ...], context: int, horizon: int, season: int, least: Float[Tensor, "c"]
    ) -> None:
        super().__init__()
        self.register_buffer("positions", torch.tensor(positions), persistent=False)
        self.register_buffer("least", least.to(torch.float64), persistent=False)
        self.context, self.horizon = context, horizon
        self.season = season if season < context else 1

    @classmethod
    def of(cls, spec: BatchSpec, values: list[str], numbers: tuple[str, ...]) -> "WindowScale":
        """That of a data set.

        Args:
            spec: of the encoded data, with a horizon.
            values: names of what is forecast.
            numbers: of the raw columns.
        """
        assert spec.n_steps is not None
        assert spec.horizon is not None
        scale = torch.tensor(spec.target_scale[: len(values)], dtype=torch.float64)
        return cls(
            positions=tuple(numbers.index(name) for name in values),
            context=spec.n_steps,
            horizon=spec.horizon,
            season=spec.season,
            least=scale * torch.finfo(torch.float32).eps,
        )

    def forward(self, num: Float[Tensor, "n steps f"]) -> Float[Tensor, "n t"]:
        """Of each target: the steps ahead have the scale of their value.

        Args:
            num: raw numbers of windows, NaN where missing; what stands behind the context is not looked at.
        """
        return self.of_values(num[:, : self.context].index_select(2, self.positions))

    def of_values(self, values: Float[Tensor, "n context c"]) -> Float[Tensor, "n t"]:
        """Like a call, of what is forecast alone."""
        values = values.to(torch.float64)
        moves = (values[:, self.season :] - values[:, : -self.season]).abs()
        return (_mean(moves) + LEAST * _mean(values.abs()) + self.least).repeat(1, self.horizon)


def _mean(values: Float[Tensor, "n steps c"]) -> Float[Tensor, "n c"]:
    """Over the steps that are there; 0 where none is."""
    gone = values.isnan()
    return values.masked_fill(gone, 0.0).sum(1) / (~gone).sum(1).clamp_min(1)
