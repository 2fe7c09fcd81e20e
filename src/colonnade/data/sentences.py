"""Sentences: texts as vectors, by a model of the library sentence-transformers."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colonnade.core.errors import ConfigError, MissingExtraError
from colonnade.core.optional import optional_import
from colonnade.data.texts import TextEncoder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGE = "sentence_transformers"

log = logging.getLogger(__name__)


class SentenceEncoder(TextEncoder):
    """A sentence-transformers model (Reimers, Gurevych, "Sentence-BERT", EMNLP 2019), loaded when it is first needed.

    Weights are read from safetensors alone, and code that a model brings is not run.

    Args:
        model: a folder, the name of one in ``$COLONNADE_DATA``, or a name on the Hugging Face hub, from where it is
            fetched once.
        device: where it runs, such as ``cpu``; None: an accelerator, if there is one.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
        ConfigError: ``model`` is a path, and there is no such folder.
    """

    def __init__(self, *, model: str = "sentence-transformers/all-MiniLM-L6-v2", device: str | None = None) -> None:
        if find_spec(PACKAGE) is None:
            raise MissingExtraError("sentence-transformers", "text")
        if model.startswith((".", "/", "~")) and not Path(model).expanduser().is_dir():
            raise ConfigError(f"model='{model}': there is no such folder; a name is looked for in $COLONNADE_DATA")
        self.model = model
        self.device = device
        self._loaded: SentenceTransformer | None = None

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """See :meth:`TextEncoder.encode`.

        Raises:
            ConfigError: the model cannot be loaded.
        """
        if self._loaded is None:
            self._loaded = self._load()
        found = self._loaded.encode(list(texts), show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(found, dtype=np.float32)

    def options(self) -> dict[str, Any]:
        """The model: where it runs is of this machine."""
        return {"model": self.model}

    def _load(self) -> SentenceTransformer:
        library = optional_import(PACKAGE, "text")
        places = [Path(self.model).expanduser()]
        if "COLONNADE_DATA" in os.environ:
            places.append(Path(os.environ["COLONNADE_DATA"]).expanduser() / self.model)
        found = next((str(place) for place in places if place.is_dir()), self.model)
        log.info("texts are read by '%s'", found)
        try:
            with _unshown():
                model: SentenceTransformer = library.SentenceTransformer(
                    found, device=self.device, model_kwargs={"use_safetensors": True}
                )
        except (OSError, ValueError) as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
            raise ConfigError(
                f"the text model '{self.model}' cannot be loaded: {reason}; give pipeline.texts.encoder.model a folder "
                "that holds one, or a name on a hub that can be reached"
            ) from error
        return model


@contextmanager
def _unshown() -> Iterator[None]:
    """Bars and notes of loading do not belong into what a training says."""
    bars = optional_import("transformers.utils.logging", "text")
    loggers = [logging.getLogger(name) for name in (PACKAGE, "huggingface_hub")]
    levels, active = [logger.level for logger in loggers], bars.is_progress_bar_enabled()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    bars.disable_progress_bar()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
        if active:
            bars.enable_progress_bar()
