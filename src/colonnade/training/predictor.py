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
        """Decoded predictions of raw rows; of sequences where there is a mask.

        Args:
            num: ``(B, [T,] F)`` float64, NaN where missing.
            cat: ``(B, [T,] K)`` int64 codes.
            time: ``(B, [T,] D)`` int64 microseconds since 1970.
            mask: valid steps of sequences ``(B, T)``; None for tables.
        """
        if mask is None:
            encoded_num, encoded_cat = self.pipeline(num, cat, time)
        else:
            # A step is encoded by itself, as a row is.
            steps = (block.flatten(0, 1) for block in (num, cat, time))
            encoded_num, encoded_cat = (block.unflatten(0, mask.shape) for block in self.pipeline(*steps))
        return self.decode(self.network(Batch(num=encoded_num, cat=encoded_cat, mask=mask)).raw, cat)

    def decode(self, raw: Tensor, cat: Tensor) -> dict[str, Tensor]:
        """Predictions of raw outputs ``(B, members, *out)`` of rows with the codes ``cat``."""
        prediction: dict[str, Tensor] = self.decoder(raw)
        return prediction if self.calibrator is None else self.calibrator(prediction, cat)
