"""The classes that the small configurations of these tests name."""

from collections.abc import Mapping
from typing import Literal

from colonnade.core.schema import TargetKind


class Any:
    """Takes nothing."""


class Optim:
    def __init__(
        self, *, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), kind: Literal["a", "b"] = "a"
    ) -> None:
        if lr <= 0:
            raise ValueError(f"lr must be above 0, got {lr}")
        self.lr, self.betas, self.kind = lr, betas, kind


class Loader:
    def __init__(self, *, batch_size: int = 256, chunk: int = 16) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")


class Data:
    def __init__(
        self,
        *,
        path: str,
        target: str | list[str] | None = None,
        password: str | None = None,
        columns: Mapping[str, str] | None = None,
        parts: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path


class Backbone:
    def __init__(self, *, layout: object, dropout: float = 0.0) -> None:
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {dropout}")


class Network:
    def __init__(self, *, spec: object, backbone: object, width: int = 8) -> None:
        backbone(layout=None)


class Task:
    target_kind = TargetKind.CLASS
    roles = ()

    def __init__(self, *, name: str, monitor: str = "val/log_loss", mode: Literal["min", "max"] = "min") -> None:
        self.name = name

    def setup(self, spec: object) -> None:
        assert spec.target_kind == "class"

    def out_shape(self, spec: object) -> tuple[int, ...]:
        return (len(spec.classes),)


class Module:
    def __init__(
        self, *, network: object, task: object, optim: object, spec: object, micro_batch: int | None = None
    ) -> None:
        if micro_batch is not None and micro_batch < 1:
            raise ValueError(f"micro_batch must be at least 1, got {micro_batch}")


class Watch:
    def __init__(self, *, monitor: str, patience: int) -> None:
        pass
