"""Sweep: from the words of ``-m`` to finished run folders and one table."""

from __future__ import annotations

import json
import logging
import secrets
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from colonnade.config.build import build
from colonnade.config.nodes import inspect_node, plain
from colonnade.config.record import redact_words
from colonnade.core.errors import ConfigError, Faults, SearchError
from colonnade.core.files import write_json
from colonnade.tuning.claims import Claims
from colonnade.tuning.composer import Composer
from colonnade.tuning.grid import Grid
from colonnade.tuning.live import Live
from colonnade.tuning.plan import Plan, plan
from colonnade.tuning.publish import publish
from colonnade.tuning.queue import SWEEP, Queue
from colonnade.tuning.settings import Tune
from colonnade.tuning.studies import Studies
from colonnade.tuning.worker import work

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader

log = logging.getLogger(__name__)

DEFAULT = "multirun"


def sweep(words: Sequence[str], config: DictConfig, loader: ConfigLoader) -> None:
    """Run a search to its end, or to that of its budget.

    Args:
        words: overrides, those of Hydra itself left out.
        config: the configuration as far as Hydra composes it for several jobs.
        loader: composes those of the jobs.

    Raises:
        ConfigError: before the first job, with everything that is wrong with any of them.
        SearchError: jobs failed; the table names them.
    """
    _check(config)
    tune: Tune = build(config.tune)
    launcher = build(config.launcher)
    launcher.prepare()
    composer = Composer(config, loader)
    planned = plan(words, tune, str(config.hydra.runtime.choices.get("tune")), composer)
    folder = folder_of(config, planned)
    claims = Claims(folder, tune.lease)
    name = record(folder, planned, words, tune, claims)
    queue: Queue = (
        Studies(planned, folder, name, claims, tune, composer.training)
        if tune.adaptive
        else Grid(planned.cells, folder, claims, retry_failed=tune.retry_failed, packs=launcher.slots * tune.packed)
    )
    total = len(planned.cells) * (tune.n_trials if tune.adaptive else 1)
    with launcher, Live(queue, folder, total) as live:
        work(queue, launcher, claims, tune, live.update)
    rows = queue.rows()
    with claims.locked():
        # One worker at a time: each replaces what another has left.
        publish(queue, rows, folder, planned)
    failed = [row for row in rows if row.status == "failed"]
    if failed:
        raise SearchError(
            f"{len(failed)} of {len(rows)} trainings failed, see the table; tune.retry_failed=true runs them again"
        )


def _check(config: DictConfig) -> None:
    """The nodes of the search itself."""
    faults = Faults()
    for group in ("tune", "launcher"):
        inspect_node(plain(config[group], group, faults), group, faults)
    faults.raise_if_any(ConfigError, "configuration")


def folder_of(config: DictConfig, planned: Plan) -> Path:
    """The folder of the search; put aside first under ``fresh=true``.

    Raises:
        ConfigError: something else lies there.
        SearchError: another command works in what is to be put aside.
    """
    typed = str(config.hydra.sweep.dir)
    folder = Path(typed if typed != DEFAULT else f"{DEFAULT}/{planned.name}").absolute()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"hydra.sweep.dir: '{folder}' is a file; give a folder")
    # A search makes hidden files before its record, and leaves some when it is killed there.
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")} if folder.exists() else set()
    if names and SWEEP not in names:
        raise ConfigError(f"hydra.sweep.dir: '{folder}' holds something else than a search; give another")
    if config.fresh and names:
        living = Claims(folder).living()
        if living:
            raise SearchError(f"fresh=true: another command works on '{living[0]}' in '{folder}'; stop it first")
        aside = folder.with_name(f"{folder.name}.{datetime.now():%Y%m%d-%H%M%S}")
        folder.rename(aside)
        log.warning("the search that stood in '%s' is now '%s'", folder, aside)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def record(folder: Path, planned: Plan, words: Sequence[str], tune: Tune, claims: Claims) -> str:
    """Write what the search is, for people and for the verbs over it.

    Returns:
        Its name in a storage, which no other search has.

    Raises:
        ConfigError: the folder holds another search.
    """
    path = folder / SWEEP
    kind = {"fixed": redact_words(planned.fixed), "outer": list(planned.cells[0].outer), "samples": tune.adaptive}
    with claims.locked():
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if before and any(_sorted(before.get(key)) != _sorted(value) for key, value in kind.items()):
            raise ConfigError(
                f"'{folder}' holds another search ({' '.join(before['command'])}); only the values of what is swept "
                "may differ: give another hydra.sweep.dir=, or fresh=true to begin anew"
            )
        name = before.get("study") or f"{folder.name}-{secrets.token_hex(4)}"
        write_json(
            path,
            {
                "command": redact_words(words),
                **kind,
                "swept": list(planned.swept),
                "sampler": tune.sampler,
                "study": name if tune.adaptive else None,
                "script": sys.argv[0],
                "time": time.time(),
            },
        )
    return name


def _sorted(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value
