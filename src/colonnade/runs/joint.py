"""Joint: what several explained models say together, as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from colonnade.core.files import write_json
from colonnade.explain.joint import Joint, join
from colonnade.report.wording import base_of
from colonnade.runs.folder import RunFolder
from colonnade.runs.illustrate import to_board, write_figures

EXPLANATION = "explanation.json"
IMPORTANCE = "importance.json"


def joined(models: Sequence[RunFolder]) -> list[Joint]:
    """What models say together that have been explained."""
    base = base_of([str(model.path) for model in models])
    told = {}
    for model in models:
        name = str(model.path.relative_to(base)) if base else str(model.path)
        told[name] = json.loads((model / EXPLANATION).read_text(encoding="utf-8"))
    return join(told)


def list_joint(folder: RunFolder, found: Sequence[Joint]) -> None:
    """Write file and figures in the folder of a run of several models, and their digests."""
    from colonnade.report.joint_importance import joint_figures

    with folder.locked():
        write_json(folder / IMPORTANCE, [joint.to_dict() for joint in found])
        folder.list_files(IMPORTANCE, *to_board(joint_figures(found), folder))


def write_joint(out: Path, found: Sequence[Joint]) -> None:
    """Write file and figures in any folder."""
    from colonnade.report.joint_importance import joint_figures

    out.mkdir(parents=True, exist_ok=True)
    write_json(out / IMPORTANCE, [joint.to_dict() for joint in found])
    write_figures(joint_figures(found), out, [], 0)
