"""HParams: a whole search in one table of TensorBoard, with its figures.

A logger of a single run describes that run's settings alone, and TensorBoard shows the columns that the first
description it finds has. Here one description names the settings and metrics of all runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colonnade.report.ranking import Row, values_of
from colonnade.report.wording import as_number, name_of

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

PLACE = ("tensorboard", "search")
EVENTS = "*.tfevents.*"
IMAGES = ".images"
# Of more values TensorBoard is given no list to tick.
MAX_LISTED = 30
BOOLS = {"true": True, "false": False}

Value = str | float | bool


def write(rows: Sequence[Row], folder: Path) -> None:
    """Write one session for each run that has ended, in ``tensorboard/search/<key>``; what lay there is replaced.

    ``tensorboard --logdir <folder>/tensorboard`` shows them. A setting is a number or a truth value where all runs
    have such; a metric is a scalar at step 0.

    Args:
        rows: all runs.
        folder: of the search.
    """
    ended = [row for row in rows if row.result is not None]
    place = folder.joinpath(*PLACE)
    for session in (place, *(_inside(place, row.key) for row in rows)):
        _clear(session)
    settings = _typed(ended)
    metrics = list(dict.fromkeys(name for row in ended for name in values_of(row)))
    _emit(place, [_experiment(settings, metrics)])
    for i, row in enumerate(ended):
        own = {key: value for key, values in settings.items() if (value := values[i]) is not None}
        scalars = [_scalar(name, value) for name, value in values_of(row).items()]
        _emit(_inside(place, row.key), [_start(row, own), *scalars, _end(row)])


def images(figures: Iterable[Path], folder: Path) -> None:
    """Write figures as images of ``tensorboard/search``; those written before are replaced.

    Args:
        figures: PNG files; those that are not there are left out.
        folder: of the search.
    """
    place = folder.joinpath(*PLACE)
    for old in place.glob(EVENTS + IMAGES):
        old.unlink()
    summaries = [_image(name_of(path, folder), path) for path in figures if path.exists()]
    if summaries:
        _emit(place, summaries, IMAGES)


def _typed(rows: Sequence[Row]) -> dict[str, list[Value | None]]:
    """Values of each setting, one for each run: numbers or truth values if all are, else texts."""
    found: dict[str, list[Value | None]] = {}
    for key in dict.fromkeys(key for row in rows for key in row.settings):
        texts = [row.settings.get(key) for row in rows]
        given = [text for text in texts if text is not None]
        convert: Any = str
        if all(as_number(text) is not None for text in given):
            convert = as_number
        elif all(text.lower() in BOOLS for text in given):
            convert = _truth
        found[key] = [None if text is None else convert(text) for text in texts]
    return found


def _truth(text: str) -> bool:
    return BOOLS[text.lower()]


def _experiment(settings: Mapping[str, Sequence[Value | None]], metrics: Sequence[str]) -> Summary:
    """What columns there are."""
    from google.protobuf.struct_pb2 import ListValue
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    infos = []
    for key, values in settings.items():
        distinct = {value for value in values if value is not None}
        sample = next(iter(distinct))
        kind = "BOOL" if isinstance(sample, bool) else "FLOAT64" if isinstance(sample, float) else "STRING"
        info = api_pb2.HParamInfo(name=key, type=api_pb2.DataType.Value(f"DATA_TYPE_{kind}"))
        if kind == "FLOAT64" and len(distinct) > 1:
            # An interval can be narrowed to any bounds, a list only be ticked.
            info.domain_interval.min_value = min(distinct)
            info.domain_interval.max_value = max(distinct)
        elif len(distinct) <= MAX_LISTED:
            listed = ListValue()
            listed.extend(sorted(distinct, key=str))
            info.domain_discrete.CopyFrom(listed)
        infos.append(info)
    experiment = api_pb2.Experiment(
        hparam_infos=infos,
        metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag=name)) for name in metrics],
        time_created_secs=time.time(),
    )
    return _plugin(metadata.EXPERIMENT_TAG, plugin_data_pb2.HParamsPluginData(experiment=experiment))


def _start(row: Row, settings: Mapping[str, Value]) -> Summary:
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    start = plugin_data_pb2.SessionStartInfo(group_name=row.key)
    start.start_time_secs = time.time() - values_of(row).get("seconds", 0.0)
    for key, value in settings.items():
        name = {bool: "bool_value", str: "string_value"}.get(type(value), "number_value")
        setattr(start.hparams[key], name, value)
    return _plugin(metadata.SESSION_START_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_start_info=start))


def _end(row: Row) -> Summary:
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.Status.Value("STATUS_FAILURE" if row.status == "failed" else "STATUS_SUCCESS")
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
    return _plugin(metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=end))


def _plugin(tag: str, data: Any) -> Summary:
    """A summary of the plugin, which keeps its content in the metadata."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.hparams import metadata

    data.version = metadata.PLUGIN_DATA_VERSION
    plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=data.SerializeToString())
    return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin))])


def _scalar(name: str, value: float) -> Summary:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=name, simple_value=value)])


def _image(name: str, path: Path) -> Summary:
    from PIL import Image
    from tensorboard.compat.proto.summary_pb2 import Summary

    with Image.open(path) as image:
        width, height = image.size
    content = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=path.read_bytes())
    return Summary(value=[Summary.Value(tag=name, image=content)])


def _emit(folder: Path, summaries: Sequence[Summary], suffix: str = "") -> None:
    """Write summaries into one file of events."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    folder.mkdir(parents=True, exist_ok=True)
    writer = EventFileWriter(str(folder), filename_suffix=suffix)
    for summary in summaries:
        writer.add_event(Event(wall_time=time.time(), step=0, summary=summary))
    writer.close()


def _clear(folder: Path) -> None:
    """Remove the events of a folder, which may hold other folders; images are not ours."""
    for old in folder.glob(EVENTS):
        if not old.name.endswith(IMAGES):
            old.unlink()


def _inside(place: Path, key: str) -> Path:
    """The folder of a session, whatever the key: it stays below that of the search."""
    return place.joinpath(*(part for part in Path(key).parts if part not in ("..", "/")))
