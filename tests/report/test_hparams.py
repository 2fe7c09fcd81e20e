"""A search in TensorBoard, read back from its events."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import DataType, Status

from colonnade.report import hparams
from report.kit import run

ROWS = [
    run(1.0, model="mlp", seed=1, optim__lr="0.001", skip="true", told={"seconds": 2.5}),
    run(2.0, model="tabm", seed=2, optim__lr="1e-4", skip="False", width=8),
    run(model="tabm", seed=3, optim__lr="0.01", skip="true", status="failed"),
    run(1.5, model="mlp", seed=4, optim__lr="0.02", skip="true", status="pruned"),
    run(model="mlp", seed=5, optim__lr="0.03", skip="true", status="waiting"),
]


def events(folder: Path) -> list:
    """The values of all events of a folder, not of those below it."""
    return [
        value
        for path in sorted(folder.glob("*.tfevents.*"))
        for event in LegacyEventFileLoader(str(path)).Load()
        for value in event.summary.value
    ]


def plugin(values: list, tag: str):
    [content] = [value.metadata.plugin_data.content for value in values if value.tag == tag]
    return content


def session(folder: Path, row) -> tuple[dict, dict[str, float], int]:
    values = events(folder / "tensorboard" / "search" / row.key)
    start = metadata.parse_session_start_info_plugin_data(plugin(values, metadata.SESSION_START_INFO_TAG))
    end = metadata.parse_session_end_info_plugin_data(plugin(values, metadata.SESSION_END_INFO_TAG))
    settings = {key: getattr(value, value.WhichOneof("kind")) for key, value in start.hparams.items()}
    assert start.group_name == row.key
    assert end.end_time_secs >= start.start_time_secs > 1.7e9
    return settings, {v.tag: v.simple_value for v in values if v.HasField("simple_value")}, end.status


def test_a_session_for_each_run_that_ended(tmp_path: Path) -> None:
    hparams.write(ROWS, tmp_path)
    found = [session(tmp_path, row) for row in ROWS[:4]]
    assert found[0][0] == {"model": "mlp", "seed": 1.0, "optim.lr": 0.001, "skip": True}
    assert found[1][0] == {"model": "tabm", "seed": 2.0, "optim.lr": 0.0001, "skip": False, "width": 8.0}
    assert found[0][1] == pytest.approx(
        {
            "val/rmse": 1.0,
            "val/r2": 0.5,
            "test/rmse": 2.0,
            "test/r2": 0.25,
            "test/mae": 0.125,
            "seconds": 2.5,
            "parameters": 1000,
        }
    )
    assert found[2][1] == {}
    success, failure = Status.Value("STATUS_SUCCESS"), Status.Value("STATUS_FAILURE")
    assert [status for _, _, status in found] == [success, success, failure, success]
    assert not (tmp_path / "tensorboard" / "search" / ROWS[4].key).exists()


def test_one_description_names_the_columns_of_all_runs(tmp_path: Path) -> None:
    hparams.write(ROWS, tmp_path)
    content = plugin(events(tmp_path / "tensorboard" / "search"), metadata.EXPERIMENT_TAG)
    experiment = metadata.parse_experiment_plugin_data(content)
    kinds = {info.name: DataType.Name(info.type).removeprefix("DATA_TYPE_") for info in experiment.hparam_infos}
    assert kinds == {"model": "STRING", "seed": "FLOAT64", "optim.lr": "FLOAT64", "skip": "BOOL", "width": "FLOAT64"}
    rate = next(info for info in experiment.hparam_infos if info.name == "optim.lr")
    assert (rate.domain_interval.min_value, rate.domain_interval.max_value) == (0.0001, 0.02)
    model = next(info for info in experiment.hparam_infos if info.name == "model")
    assert [value.string_value for value in model.domain_discrete.values] == ["mlp", "tabm"]
    assert [info.name.tag for info in experiment.metric_infos] == [
        *("val/rmse", "val/r2", "test/rmse", "test/r2", "test/mae", "seconds", "parameters")
    ]


def test_a_setting_with_texts_and_numbers_is_a_text(tmp_path: Path) -> None:
    rows = [run(1.0, width=8), run(1.0, width="auto")]
    hparams.write(rows, tmp_path)
    assert [session(tmp_path, row)[0] for row in rows] == [{"width": "8"}, {"width": "auto"}]


def test_written_again_a_session_is_replaced(tmp_path: Path) -> None:
    hparams.write([run(1.0, model="mlp"), run(1.0, model="tabm")], tmp_path)
    again = [run(3.0, model="mlp"), run(model="tabm", status="running")]
    hparams.write(again, tmp_path)
    assert session(tmp_path, again[0])[1]["val/rmse"] == 3.0
    assert events(tmp_path / "tensorboard" / "search" / "model=tabm") == []


def test_keys_may_be_nested_empty_or_climb(tmp_path: Path) -> None:
    from dataclasses import replace

    folder = tmp_path / "search"
    rows = [replace(run(1.0, a=1), key=key) for key in ("a=1/trial-0001", "a=1", "../../../out")]
    for _ in range(2):
        hparams.write(rows, folder)
    for row, key in zip(rows, ("a=1/trial-0001", "a=1", "out")):
        values = events(folder / "tensorboard" / "search" / key)
        assert [v.simple_value for v in values if v.tag == "val/rmse"] == [1.0], row.key
    assert [path.name for path in tmp_path.iterdir()] == ["search"]
    [single] = [replace(run(1.0), key="")]
    hparams.write([single], folder)
    tags = [value.tag for value in events(folder / "tensorboard" / "search")]
    assert tags.count(metadata.EXPERIMENT_TAG) == tags.count(metadata.SESSION_START_INFO_TAG) == 1


def test_images(tmp_path: Path) -> None:
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    figures = [tmp_path / "figures" / name for name in ("model=a/history.png", "slice.png", "gone.png")]
    for path in figures[:2]:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    for _ in range(2):
        hparams.images(figures, tmp_path)
        hparams.write(ROWS, tmp_path)
    values = [value for value in events(tmp_path / "tensorboard" / "search") if value.HasField("image")]
    assert [value.tag for value in values] == ["model=a/history", "slice"]
    assert (values[0].image.height, values[0].image.width) == (2, 3)
    assert values[0].image.encoded_image_string == figures[0].read_bytes()


def test_nothing_ended(tmp_path: Path) -> None:
    hparams.write([run(model="a", status="waiting")], tmp_path)
    hparams.images([], tmp_path)
    [value] = events(tmp_path / "tensorboard" / "search")
    assert value.tag == metadata.EXPERIMENT_TAG
