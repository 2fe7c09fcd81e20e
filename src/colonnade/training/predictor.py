"""Predictor: the one module that is evaluated, explained, exported and served."""

from __future__ import annotations

from torch import Tensor, nn

from colonnade.core.batch import Batch


class Predictor(nn.Module):
    """Numeric pipeline, network and decoder in one module, so that training and serving cannot drift apart.

    Only the look-up of strings (to category codes) lies outside.

    Args:
        pipeline: fitted pipeline module; ``(num (B, F) float64, cat (B, K) int64, time (B, D) int64)`` to encoded
            ``(num (B, F') float32, cat (B, K') int64)``.
        network: :class:`~colonnade.nn.network.Network`.
        decoder: decoder of the task; raw outputs to a dictionary of predictions.
        calibrator: what follows the decoder, a :class:`~colonnade.tasks.calibrator.Calibrator`; None: nothing.
    """

    def __init__(
        self, *, pipeline: nn.Module, network: nn.Module, decoder: nn.Module, calibrator: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.network = network
        self.decoder = decoder
        self.calibrator = calibrator
        self.eval()

    def forward(self, num: Tensor, cat: Tensor, time: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Decoded predictions of raw rows, or of sequences.

        Args:
            num: ``(B, [T,] F)`` float64, NaN where missing.
            cat: ``(B, [T,] K)`` int64 codes.
            time: ``(B, [T,] D)`` int64 microseconds since 1970.
            mask: valid steps of sequences ``(B, T)``; None: all, and for tables.
        """
        encoded_num, encoded_cat = encode(self.pipeline, num, cat, time)
        return self.decode(self.network(Batch(num=encoded_num, cat=encoded_cat, mask=mask)).raw, num, cat)

    def decode(self, raw: Tensor, num: Tensor, cat: Tensor) -> dict[str, Tensor]:
        """Predictions of raw outputs ``(B, members, *out)`` of rows with the numbers ``num`` and the codes ``cat``."""
        prediction: dict[str, Tensor] = self.decoder(raw)
        return prediction if self.calibrator is None else self.calibrator(prediction, num, cat)


def encode(pipeline: nn.Module, num: Tensor, cat: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Raw rows as a network is given them; each step of sequences by itself, as a row is.

    Args:
        pipeline: of rows.
        num, cat, time: see :class:`Predictor`.
    """
    if num.dim() == 2:
        rows: tuple[Tensor, Tensor] = pipeline(num, cat, time)
        return rows
    n, t = num.shape[:2]
    encoded_num, encoded_cat = pipeline(*(_shaped(block, (n * t,)) for block in (num, cat, time)))
    return _shaped(encoded_num, (n, t)), _shaped(encoded_cat, (n, t))


def _shaped(block: Tensor, rows: tuple[int, ...]) -> Tensor:
    """The columns of a block in other dimensions before them."""
    # A graph cannot take the shape of a block without columns apart.
    return block.reshape(*rows, block.shape[-1]) if block.shape[-1] else block.new_zeros((*rows, 0))
