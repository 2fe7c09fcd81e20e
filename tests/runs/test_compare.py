"""Run folders in one table, and tested against the best."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from scipy.stats import binomtest

from colonnade.core.errors import ConfigError, RunFolderError
from colonnade.runs.compare import compare, runs_below
from colonnade.runs.folder import RunFolder

N = 40


def make(
    folder: Path,
    value: float | None = 1.0,
    *,
    words=(),
    config=None,
    choices=None,
    status="finished",
    task="regression",
    monitor="val/rmse",
    frame: pl.DataFrame | None = None,
    sha="aa",
    target="y",
    mode="min",
) -> str:
    """A run folder as a training leaves it, as far as it is read here."""
    folder.mkdir(parents=True)
    metric = monitor.split("/")[1]
    metrics = {} if status == "failed" else {"val": {metric: value}, "test": {metric: value}}
    result = {"status": status, "task": task, "monitor": monitor, "mode": mode, "metrics": metrics}
    result |= {"seconds": 1.0, "epochs": 2, "parameters": 3, "overrides": list(words), "error": None}
    stored = {**(config or {}), "data": {"target": target}, "choices": choices or {}, "overrides": list(words)}
    (folder / "config.yaml").write_text(yaml.safe_dump(stored))
    (folder / "result.json").write_text(json.dumps(result))
    state = {"config_hash": folder.name, "origin": [{"file": f"{sha}.csv", "sha256": sha}]}
    (folder / "environment.json").write_text(json.dumps(state))
    if frame is not None:
        frame.write_parquet(folder / "predictions.parquet")
    return str(folder)


def numbers(error: float | np.ndarray, *, rows=range(N), split="test") -> pl.DataFrame:
    truth = np.linspace(0, 1, len(rows))
    return pl.DataFrame(
        {"row_id": list(rows), "prediction": truth + error, "split": [split] * len(rows), "target": truth}
    )


def labels(wrong: list[int], n: int = N) -> pl.DataFrame:
    truth = ["no"] * n
    return pl.DataFrame(
        {
            "row_id": range(n),
            "prediction": ["yes" if i in wrong else "no" for i in range(n)],
            "probability/no": 0.5,
            "probability/yes": 0.5,
            "split": ["test"] * n,
            "target": truth,
        }
    )


def test_settings_are_what_was_typed_and_differs(tmp_path: Path) -> None:
    shared = {"seed": 1, "optim": {"lr": 0.001}, "trainer": {"max_epochs": 9}}
    a = make(
        tmp_path / "a",
        words=["model=mlp", "seed=1", "trainer.max_epochs=9", "logger=none", "data.path=x.csv"],
        config=shared,
        choices={"model": "mlp", "pipeline": "default", "logger": "none"},
    )
    b = make(
        tmp_path / "b",
        words=["model=tabm", "++optim.lr=0.01", "trainer.max_epochs=9", "callbacks.progress=null"],
        config={**shared, "optim": {"lr": 0.01, "betas": [0.9, 0.95]}},
        choices={"model": "tabm", "pipeline": "quantile", "logger": "tensorboard"},
    )
    rows = compare([a, b]).rows
    assert [row.settings for row in rows] == [
        {"model": "mlp", "optim.lr": "0.001"},
        {"model": "tabm", "optim.lr": "0.01"},
    ]
    assert [row.folder for row in rows] == [a, b]


def test_runs_that_are_alike_are_told_apart_by_their_folder(tmp_path: Path) -> None:
    runs = [make(tmp_path / name, words=["model=mlp"], choices={"model": model}) for name, model in zip("abc", "mmt")]
    assert [row.settings for row in compare(runs).rows] == [
        {"model": "m", "run": "a"},
        {"model": "m", "run": "b"},
        {"model": "t"},
    ]


def test_classes_are_tested_by_mcnemar(tmp_path: Path) -> None:
    kind = {"task": "binary", "monitor": "val/log_loss"}
    best = make(tmp_path / "best", 0.1, frame=labels([0]), **kind)
    worse = make(tmp_path / "worse", 0.2, frame=labels(list(range(1, 9))), **kind)
    same = make(tmp_path / "same", 0.3, frame=labels([0]), **kind)
    found = compare([worse, best, same])
    assert found.reference == "run=best"
    (name, test), (_, other) = found.tests
    assert name == "run=worse"
    assert test.p == pytest.approx(binomtest(8, 9, 0.5).pvalue)
    assert test.difference == pytest.approx(7 / N)
    assert (other.p, other.difference) == (1.0, 0.0)
    assert test.p_holm == pytest.approx(2 * test.p)
    assert found.basis == "share of wrong labels, 40 test rows, exact McNemar test"
    assert found.notes == []


@pytest.mark.parametrize(
    ("monitor", "kind", "difference"),
    [("val/rmse", "squared", 0.04 - 0.01), ("val/r2", "squared", 0.03), ("val/mae", "absolute", 0.2 - 0.1)],
)
def test_numbers_are_tested_by_the_error_that_is_monitored(
    tmp_path: Path, monitor: str, kind: str, difference: float
) -> None:
    best = make(tmp_path / "a", 0.1, monitor=monitor, frame=numbers(0.1))
    worse = make(tmp_path / "b", 0.2, monitor=monitor, frame=numbers(-0.2))
    found = compare([best, worse])
    [(_, test)] = found.tests
    assert test.difference == pytest.approx(difference)
    assert (test.low, test.high) == pytest.approx((difference, difference))
    assert test.p == pytest.approx(1e-4)
    assert found.basis == f"mean {kind} error, 40 test rows, sign-flip permutation test"


def test_several_targets_count_alike(tmp_path: Path) -> None:
    def frame(error: float) -> pl.DataFrame:
        small, large = np.linspace(0, 1, N), np.linspace(0, 1000, N)
        return pl.DataFrame(
            {
                "row_id": range(N),
                "prediction/s": small + error,
                "prediction/l": large + 1000 * error,
                "split": ["test"] * N,
                "target/s": small,
                "target/l": large,
            }
        )

    runs = [make(tmp_path / str(e), e, task="multitarget_regression", frame=frame(e)) for e in (0.1, 0.2)]
    found = compare(runs)
    [(_, test)] = found.tests
    assert test.difference == pytest.approx((0.04 - 0.01) / np.linspace(0, 1, N).var())
    assert "each target in units of its spread" in found.basis


@pytest.mark.parametrize(("names", "truth"), [(("calm", "sad"), "target/{}"), (("calm",), "target")])
def test_labels_of_a_row_are_averaged(tmp_path: Path, names: tuple[str, ...], truth: str) -> None:
    def frame(wrong: int) -> pl.DataFrame:
        columns = {"row_id": range(N)}
        for name in names:
            columns |= {name: [int(i < wrong) for i in range(N)], f"probability/{name}": [0.5] * N}
        truths = {truth.format(name): [0] * N for name in names}
        return pl.DataFrame({**columns, "split": ["test"] * N, **truths})

    runs = [make(tmp_path / str(w), w, task="multilabel", monitor="val/loss", frame=frame(w)) for w in (0, 4)]
    [(_, test)] = compare(runs).tests
    assert test.difference == pytest.approx(4 / N)
    # Four rows differ: 2 of 2^4 assignments of signs are as extreme.
    assert test.p == pytest.approx(2 / 2**4)


def other_truth() -> pl.DataFrame:
    return numbers(0.1).with_columns(target=pl.col("target") * 1.01)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (None, "has no predictions.parquet"),
        (numbers(0.1, split="val"), "has no test rows"),
        (numbers(0.1, rows=range(100, 140)), "of its 40 test rows 0 are among the 40 of"),
        (numbers(0.1, rows=range(30)), "of its 30 test rows 30 are among the 40 of"),
        (numbers(0.1, rows=[0] * N), "rows with the same id"),
        (other_truth(), "the same test rows have another truth than in"),
        (numbers(0.1).rename({"target": "target/z", "prediction": "prediction/z"}), "its targets are not those of"),
    ],
)
def test_why_there_is_no_test(tmp_path: Path, frame: pl.DataFrame | None, reason: str) -> None:
    best = make(tmp_path / "best", 0.1, frame=numbers(0.1))
    found = compare([best, make(tmp_path / "other", 0.2, frame=frame)])
    assert len(found.rows) == 2
    assert (found.tests, found.basis) == ([], "")
    [note] = found.notes
    assert note.startswith("no test of run=other: ")
    assert reason in note


def test_rounding_of_the_truth_is_no_other_truth(tmp_path: Path) -> None:
    frame = numbers(0.2).with_columns(target=pl.col("target") + 1e-9).sample(fraction=1, shuffle=True, seed=0)
    runs = [make(tmp_path / "a", 0.1, frame=numbers(0.1)), make(tmp_path / "b", 0.2, frame=frame)]
    [(_, test)] = compare(runs).tests
    assert test.difference == pytest.approx(0.03)


def test_damaged_predictions_are_not_tested(tmp_path: Path) -> None:
    runs = [make(tmp_path / name, value, frame=numbers(value)) for name, value in (("a", 0.1), ("b", 0.2))]
    RunFolder(runs[1]).write_manifest()
    numbers(0.3).write_parquet(tmp_path / "b" / "predictions.parquet")
    found = compare(runs)
    assert "differs from its SHA-256" in found.notes[0]
    RunFolder(runs[1]).write_manifest()
    (tmp_path / "b" / "predictions.parquet").write_bytes(b"PAR1")
    (tmp_path / "b" / "manifest.json").unlink()
    assert compare(runs).notes[0].startswith("no test of run=b: ")


def test_many_reasons_are_summed_up(tmp_path: Path) -> None:
    runs = [make(tmp_path / "best", 0.1, frame=numbers(0.1))]
    runs += [make(tmp_path / str(i), 1.0 + i, frame=None) for i in range(6)]
    notes = compare(runs).notes
    assert len(notes) == 4
    assert notes[-1] == "no test of 3 more, for such reasons"


def test_runs_that_did_not_finish_are_shown(tmp_path: Path) -> None:
    failed = make(tmp_path / "failed", status="failed", task="auto")
    (tmp_path / "failed" / "train.log").touch()
    cut = make(tmp_path / "cut")
    (tmp_path / "cut" / "result.json").unlink()
    found = compare([failed, cut, make(tmp_path / "done", None)])
    assert [row.status for row in found.rows] == ["failed", "running", "finished"]
    assert found.rows[0].log == str(tmp_path / "failed" / "train.log")
    assert found.reference is None
    assert found.notes == [
        f"'{cut}' has no result.json: it is being trained, or was cut off",
        "no test: no finished run has a value of what is monitored",
    ]


def test_other_tasks_targets_and_data_are_refused(tmp_path: Path) -> None:
    first = make(tmp_path / "first")
    strangers = [
        make(tmp_path / "task", task="binary", sha="bb"),
        make(tmp_path / "target", target="z"),
        make(tmp_path / "data", sha="bb"),
        make(tmp_path / "same"),
    ]
    with pytest.raises(ConfigError) as error:
        compare([first, *strangers])
    assert str(error.value).splitlines() == [
        "these runs cannot be compared (3):",
        f"  - '{first}' is of task regression, '{strangers[0]}' is of task binary",
        f"  - '{first}' predicts y, '{strangers[1]}' predicts z",
        f"  - '{first}' learned from aa.csv (SHA-256 aa…), '{strangers[2]}' learned from bb.csv (SHA-256 bb…)",
    ]


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    damaged = make(tmp_path / "damaged")
    (tmp_path / "damaged" / "result.json").write_text('{"status": ')
    with pytest.raises(RunFolderError) as error:
        compare([tmp_path / "empty", tmp_path / "gone", damaged])
    text = str(error.value)
    assert f"'{tmp_path / 'empty'}' holds no run" in text
    assert f"'{tmp_path / 'gone'}' is no folder" in text
    assert f"'{damaged}' is damaged: JSONDecodeError" in text


def test_one_run_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    only = make(tmp_path / "only")
    with pytest.raises(ConfigError, match="name at least two runs"):
        compare([only, f"{only}/", tmp_path / "x" / ".." / "only"])


def test_the_runs_of_a_search(tmp_path: Path) -> None:
    for name in ("model=a/trial-0001", "model=a/trial-0000", "model=b", ".aside/x"):
        make(tmp_path / name)
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "model=b" / "result.json").unlink()
    found = [path.relative_to(tmp_path).as_posix() for path in runs_below(tmp_path)]
    assert found == ["model=a/trial-0000", "model=a/trial-0001", "model=b"]
    with pytest.raises(ConfigError, match="holds no run folders"):
        runs_below(tmp_path / "tensorboard")


def test_a_configuration_is_read_but_nothing_in_it_is_built_or_resolved(tmp_path: Path) -> None:
    config = {"model": {"_target_": "os.system", "size": "${oc.env:HOME}"}}
    runs = [
        make(tmp_path / name, words=[f"model.size={name}"], config=config if name == "a" else {"model": {"size": 8}})
        for name in ("a", "b")
    ]
    assert [row.settings for row in compare(runs).rows] == [{"model.size": "${oc.env:HOME}"}, {"model.size": "8"}]


@pytest.mark.slow
def test_trained_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from colonnade.config.compose import compose
    from colonnade.runs.fit import fit

    monkeypatch.chdir(tmp_path)
    shared = ("model=linear", "data=breast_cancer", "trainer=cpu", "threads=1", "logger=none", "trainer.max_epochs=2")
    for name, rate in (("slow", 1e-5), ("fast", 0.02)):
        fit(compose([*shared, f"optim.lr={rate}"]), tmp_path / name)
    found = compare(["slow", "fast"])
    assert [row.settings for row in found.rows] == [{"optim.lr": "1e-05"}, {"optim.lr": "0.02"}]
    assert found.reference == "lr=0.02"
    [(name, test)] = found.tests
    assert name == "lr=1e-05"
    frames = [pl.read_parquet(tmp_path / n / "predictions.parquet").filter(split="test") for n in ("slow", "fast")]
    slow, fast = ((frame["prediction"] != frame["target"]).to_numpy() for frame in frames)
    assert test.n == len(slow)
    assert test.difference == pytest.approx(slow.mean() - fast.mean())
    assert test.p == pytest.approx(binomtest(int((slow & ~fast).sum()), int((slow != fast).sum()), 0.5).pvalue)
