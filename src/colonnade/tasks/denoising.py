"""Pre-training without targets: encoded columns are spoiled, and the network says what they were."""

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from colonnade.core.batch import Batch
from colonnade.core.schema import TargetKind
from colonnade.core.spec import BatchSpec
from colonnade.tasks.base import Task, full_precision, over_members
from colonnade.tasks.measures import denoised
from colonnade.tasks.measures.rows import Measure

MEASURES = {
    "mse": Measure(denoised.mse, "min"),
    "r2": Measure(denoised.r2, "max"),
    "accuracy": Measure(denoised.accuracy, "max"),
    "mask_accuracy": Measure(denoised.mask_accuracy, "max"),
}
# Of the noise in evaluation: the same for every epoch, run and model.
FIXED_SEED = 20_220_707


class Denoising(Task):
    """Reconstruction of spoiled columns from the others, the self-supervised task of tables; no target is looked at.

    In each row every encoded column is spoiled with probability ``rate``. The network is given the spoiled row and
    learns the original values: numbers by squared error in encoded units, categories by cross-entropy over their codes.
    With ``objective=mask`` it learns instead which columns were spoiled, with ``both`` the two together (Yoon et al.,
    *VIME*, NeurIPS 2020; Bahri et al., *SCARF*, ICLR 2022; Rubachev et al., *Revisiting Pretraining Objectives for
    Tabular Deep Learning*, 2022).

    Raw outputs of a row: ``F`` numbers, the logits of each category's codes one after the other, and a logit for each
    column where the mask is learned. Its target is ``(2 (F + K),)``: values and codes, NaN where they are not asked
    for, and whether each column differs from the original.

    Args:
        name, monitor, mode: see :class:`~colonnade.tasks.base.Task`.
        corruption: ``swap`` takes the value of another row of the batch; ``mask`` 0, the mean of most encodings, and
            the code of missing values.
        rate: share of the entries that are spoiled, in (0, 1).
        objective: ``reconstruction``, ``mask`` or ``both``.
        everything: the loss counts all entries instead of the spoiled ones.

    Raises:
        ValueError: an option out of its range.
    """

    target_kind = TargetKind.REAL
    self_supervised: ClassVar[bool] = True

    def __init__(
        self,
        *,
        name: str = "denoising",
        monitor: str = "val/loss",
        mode: Literal["min", "max"] = "min",
        corruption: str = "swap",
        rate: float = 0.3,
        objective: str = "reconstruction",
        everything: bool = False,
    ) -> None:
        super().__init__(name=name, monitor=monitor, mode=mode, measures=MEASURES)
        if corruption not in ("swap", "mask"):
            raise ValueError(f"corruption='{corruption}' must be swap or mask")
        if objective not in ("reconstruction", "mask", "both"):
            raise ValueError(f"objective='{objective}' must be reconstruction, mask or both")
        if not 0 < rate < 1:
            raise ValueError(f"rate={rate} must be in (0, 1)")
        self.corruption = corruption
        self.rate = rate
        self.reconstructs = objective != "mask"
        self.finds = objective != "reconstruction"
        self.everything = everything

    def setup(self, spec: BatchSpec) -> None:
        """See the base class; what cannot be measured of such columns is not."""
        super().setup(spec)
        absent = {
            "mse": not (spec.n_num and self.reconstructs),
            "r2": not (spec.n_num and self.reconstructs),
            "accuracy": not (spec.n_cat and self.reconstructs),
            "mask_accuracy": not self.finds,
        }
        self.measures = {name: measure for name, measure in MEASURES.items() if not absent[name]}

    def out_shape(self, spec: BatchSpec) -> tuple[int, ...]:
        """All outputs in one dimension, see the class."""
        values = spec.n_num + sum(spec.cardinalities) if self.reconstructs else 0
        return (values + (spec.n_num + spec.n_cat if self.finds else 0),)

    def posed(self, batch: Batch, *, training: bool) -> Batch:
        """Rows with spoiled columns, and what they were; in evaluation always with the same noise."""
        n_num, device = batch.num.shape[1], batch.num.device
        generator = None if training else torch.Generator(device).manual_seed(FIXED_SEED)
        truth = torch.cat([batch.num, batch.cat.to(batch.num.dtype)], dim=1)
        spoiled = torch.rand(truth.shape, generator=generator, device=device) < self.rate
        if self.corruption == "swap":
            other = torch.randint(len(truth), truth.shape, generator=generator, device=device)
            noise = truth.gather(0, other)
        else:
            noise = torch.zeros_like(truth)
        shown = torch.where(spoiled, noise, truth)
        values = truth if self.everything else truth.masked_fill(~spoiled, torch.nan)
        return replace(
            batch,
            num=shown[:, :n_num],
            cat=shown[:, n_num:].to(batch.cat.dtype),
            target=torch.cat([values, (shown != truth).to(truth.dtype)], dim=1),
        )

    def row_loss(self, raw: Float[Tensor, "b m o"], target: Float[Tensor, "b t"]) -> Float[Tensor, "b"]:
        """Mean loss of the entries that are expected to count, in each row; the two objectives are added."""
        n_num, columns = self.spec.n_num, self.spec.n_num + self.spec.n_cat
        raw, target = full_precision(raw), target.float()
        values, differs = target[:, None, :columns], target[:, None, columns:]
        losses: list[Tensor] = []
        if self.reconstructs:
            counts = ~values.isnan()
            expected = values.nan_to_num()
            errors = [(raw[..., :n_num] - expected[..., :n_num]).square()]
            logits = raw[..., n_num : n_num + sum(self.spec.cardinalities)].split(self.spec.cardinalities, dim=-1)
            for k, found in enumerate(logits):
                code = expected[..., n_num + k].long().expand(found.shape[:2])
                errors.append(F.cross_entropy(found.movedim(-1, 1), code, reduction="none").unsqueeze(-1))
            # By the number that is expected, so that a row with few spoiled entries does not weigh as one with many.
            share = 1.0 if self.everything else self.rate
            losses.append((torch.cat(errors, dim=-1) * counts).sum(-1) / (share * columns))
        if self.finds:
            found = raw[..., -columns:]
            losses.append(
                F.binary_cross_entropy_with_logits(found, differs.expand_as(found), reduction="none").mean(-1)
            )
        return over_members(torch.stack(losses).sum(0))

    def decoder(self, spec: BatchSpec) -> nn.Module:
        """See :class:`DenoisingDecoder`."""
        return DenoisingDecoder(
            n_num=spec.n_num, cardinalities=spec.cardinalities, reconstructs=self.reconstructs, finds=self.finds
        )

    def truth(self, target: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
        """As it is: columns have no other units than encoded ones."""
        return target


class DenoisingDecoder(nn.Module):
    """Raw outputs to encoded values, averaged over the members.

    Args:
        n_num: number of encoded numbers.
        cardinalities: of the encoded categories.
        reconstructs, finds: whether values and masks are among the outputs.
    """

    def __init__(self, *, n_num: int, cardinalities: tuple[int, ...], reconstructs: bool, finds: bool) -> None:
        super().__init__()
        self.n_num = n_num
        self.cardinalities = cardinalities
        self.reconstructs = reconstructs
        self.finds = finds

    def forward(self, raw: Float[Tensor, "b m o"]) -> dict[str, Tensor]:
        """Where they are outputs: ``value (B, F)``, the likeliest ``code (B, K)``, and ``mask (B, F + K)``."""
        found: dict[str, Tensor] = {}
        if self.reconstructs:
            found["value"] = raw[..., : self.n_num].mean(1)
            logits = raw[..., self.n_num : self.n_num + sum(self.cardinalities)].split(self.cardinalities, dim=-1)
            codes = [each.softmax(-1).mean(1).argmax(-1) for each in logits]
            found["code"] = torch.stack(codes, dim=1) if codes else raw.new_zeros((len(raw), 0), dtype=torch.int64)
        if self.finds:
            found["mask"] = raw[..., -(self.n_num + len(self.cardinalities)) :].sigmoid().mean(1)
        return found
