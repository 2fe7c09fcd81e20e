"""The catalogue: where files are looked for, and every data set as its YAML says."""

from __future__ import annotations

import hashlib
import http.server
import threading
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from colonnade.core.errors import DataError
from colonnade.data import catalog
from colonnade.data.catalog import CatalogFile, locate, resolve
from colonnade.data.infer import target_kind
from colonnade.data.leakage import find_leaks
from colonnade.data.table import Table

CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(path.stem for path in (CONF / "data").glob("*.yaml"))
BYTES = b"a,b\n1,2\n"
SHA = hashlib.sha256(BYTES).hexdigest()

# For a user's own data.
OWN = ("table", "sequences", "steps")
# To be forecast: series, steps of all together, channels, look-back and horizon.
SERIES = {
    "airline_passengers": (1, 144, 1, 24, 12),
    "beijing_pm25": (1, 43824, 10, 168, 24),
    "co2": (1, 2284, 1, 156, 52),
    "etth1": (1, 17420, 7, 336, 96),
    "exchange_rate": (1, 7588, 8, 96, 96),
    "m4_hourly": (414, 373372, 1, 168, 48),
    "nyc_taxi": (1, 10320, 1, 336, 48),
    "tourism": (304, 304 * 80, 3, 16, 8),
}
# A target for each step, or the next event: rows, features, task, classes, parts, steps looked back at.
STEPS = {
    "assist2009": (325637, 2, "binary", 2, {"train": (0, 224218), "test": (224218, 325637)}, 64),
    "helpdesk": (9906, 2, "multiclass", 8, {}, 16),
    "occupancy": (20560, 5, "binary", 2, {"train": (0, 8143), "val": (8143, 10808), "test": (10808, 20560)}, 32),
    "pizzaplace": (28224, 4, "multiclass", 4, {}, 8),
}
# Name: series in train and test, shortest and longest, channels, task, different targets.
SEQUENCES = {
    "arrowhead": (36, 175, 251, 251, 1, "multiclass", 3),
    "basic_motions": (40, 40, 100, 100, 6, "multiclass", 4),
    "covid3month": (140, 61, 84, 84, 1, "regression", 156),
    "digits_rows": (1797, 0, 8, 8, 8, "multiclass", 10),
    "gunpoint": (50, 150, 150, 150, 1, "binary", 2),
    "italy_power_demand": (67, 1029, 24, 24, 1, "binary", 2),
    "japanese_vowels": (270, 370, 7, 29, 12, "multiclass", 9),
    "pendigits": (7494, 3498, 8, 8, 2, "multiclass", 10),
}
# Name: rows, columns, missing cells, task, parts, and for classes the count of the first in order.
SETS = {
    "adult": (48842, 15, 6465, "binary", {"train": (0, 32561), "test": (32561, 48842)}, 37155),
    "airlines_2k": (43978, 31, 289510, "binary", {}, None),
    "bank_marketing": (45211, 17, None, "binary", {}, 45211 - 5289),
    "bike_hour": (17379, 17, 0, "regression", {}, None),
    "breast_cancer": (569, 31, 0, "binary", {}, 357),
    "california_housing": (20640, 9, 207, "regression", {}, None),
    "california_housing_raw": (20640, 10, 207, "regression", {}, None),
    "churn_sim": (20000, 15, None, "binary", {}, None),
    "covertype_20k": (
        20000,
        55,
        0,
        "multiclass",
        {"train": (0, 11340), "val": (11340, 15120), "test": (15120, 20000)},
        None,
    ),
    "diabetes": (442, 11, 0, "regression", {}, None),
    "digits": (1797, 65, 0, "multiclass", {}, 178),
    "dry_bean": (13611, 17, 0, "multiclass", {}, None),
    "emotions": (593, 78, 0, "multilabel", {"train": (0, 391), "test": (391, 593)}, None),
    "enb": (768, 10, 0, "multitarget_regression", {}, None),
    "higgs_7k": (7500, 29, 0, "binary", {"train": (0, 7000), "test": (7000, 7500)}, None),
    # Of 300 rows with 1605 missing cells, the one without an outcome is left out with its 3.
    "horse_colic": (299, 28, 1602, "multiclass", {}, None),
    "insteval": (73421, 8, 0, "regression", {}, None),
    "kin8nm": (8192, 9, 0, "regression", {}, None),
    "loans": (10000, 56, 42191, "regression", {}, None),
    "titanic": (1309, 14, 3855, "binary", {}, None),
    "wine": (178, 14, 0, "multiclass", {}, 59),
    "wine_quality": (6497, 13, 0, "regression", {}, None),
}
# Whole numbers in order, which would be read as classes if the YAML did not choose regression.
GRADES = ("insteval", "wine_quality")
EMBEDDED = ("breast_cancer", "churn_sim", "co2", "diabetes", "digits", "wine")


@pytest.fixture
def places(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """An empty folder as $COLONNADE_DATA and an empty cache."""
    folder, cache = tmp_path / "data", tmp_path / "cache"
    folder.mkdir()
    cache.mkdir()
    monkeypatch.setenv("COLONNADE_DATA", str(folder))
    monkeypatch.setattr(catalog, "cache_folder", lambda: cache)
    return folder, cache


@pytest.fixture
def server(tmp_path):
    """A web server on this machine, with ``x.csv``."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "x.csv").write_bytes(BYTES)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(shelf))) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def refusal(*args, **options) -> str:
    with pytest.raises(DataError) as error:
        resolve(*args, **options)
    return str(error.value)


def test_folder_then_cache_then_download(places, server):
    folder, cache = places
    assert resolve("x.csv", SHA, f"{server}/x.csv") == cache / "x.csv"
    assert resolve("x.csv", SHA, None) == cache / "x.csv"
    (folder / "x.csv").write_bytes(BYTES)
    assert resolve("x.csv", SHA, None) == folder / "x.csv"


def test_a_broken_file_in_the_cache_is_fetched_again(places, server):
    _, cache = places
    (cache / "x.csv").write_bytes(b"half")
    assert resolve("x.csv", SHA, f"{server}/x.csv").read_bytes() == BYTES


def test_refusals_name_both_places(places, server):
    folder, cache = places
    where = f"x.csv: found neither in $COLONNADE_DATA ({folder}) nor in the cache ({cache}), and "
    assert refusal("x.csv", SHA, "http://127.0.0.1:9/x.csv") == (
        f"{where}http://127.0.0.1:9/x.csv cannot be reached (ConnectionError): go online, or put x.csv into a folder "
        "and "
        "set COLONNADE_DATA to it"
    )
    assert refusal("x.csv", SHA, None, homepage="http://where") == (
        f"{where}no download with a known checksum exists; its source is http://where: put x.csv (sha256 {SHA}) into a "
        "folder and set COLONNADE_DATA to it"
    )
    wrong = "0" * 64
    text = refusal("x.csv", wrong, f"{server}/x.csv")
    assert text.startswith(f"x.csv: {server}/x.csv delivers other bytes than the catalogue knows (sha256 {wrong}): ")
    assert not (cache / "x.csv").exists()
    (folder / "x.csv").write_bytes(b"other")
    assert refusal("x.csv", SHA, f"{server}/x.csv") == (
        f"{folder / 'x.csv'}: not the file of the catalogue: expected sha256 {SHA}, found "
        f"{hashlib.sha256(b'other').hexdigest()}: replace or remove it"
    )


def test_the_original_stands_in(places, server):
    folder, cache = places
    entry = CatalogFile.from_dict(
        {"file": "x.csv.gz", "sha256": "1" * 64, "original": {"file": "x.csv", "sha256": SHA, "url": f"{server}/x.csv"}}
    )
    assert locate(entry) == (cache / "x.csv", entry.original)
    (folder / "x.csv").write_bytes(BYTES)
    assert locate(entry) == (folder / "x.csv", entry.original)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"file": "x", "sha256": "12"}, "files: the sha256 of x has 2 digits, not 64"),
        ({"file": "x", "sha256": SHA, "part": "dev"}, "files: part='dev' of x: one of train, val, test"),
        ({"file": "x"}, "files: an entry lacks 'sha256' (file=x)"),
        ({"file": "x", "sha256": SHA, "ulr": ""}, "files: unknown key 'ulr'; did you mean 'url'?"),
    ],
)
def test_entries(entry, text):
    with pytest.raises(ValueError) as error:
        CatalogFile.from_dict(entry)
    assert str(error.value) == text


def composed(tmp_path: Path, *overrides: str):
    """A configuration of the groups that a data set may choose from."""
    (tmp_path / "small.yaml").write_text(
        "defaults: [_self_, {task: auto}, {split: auto}, {data: table}]\n"
        f"hydra: {{searchpath: ['file://{CONF}']}}\n"
    )
    with initialize_config_dir(str(tmp_path), version_base=None):
        return compose("small", list(overrides))


@pytest.fixture
def read(tmp_path, request, monkeypatch):
    def read(name: str) -> tuple[Table, str]:
        if name not in EMBEDDED:
            request.getfixturevalue("real_data")
        cfg = composed(tmp_path, f"data={name}")
        return instantiate(cfg.data, _convert_="all").read(), cfg.task.name

    return read


def test_all_sets_are_known():
    assert sorted([*SETS, *SEQUENCES, *SERIES, *STEPS, *OWN]) == NAMES
    assert len(NAMES) == 45


@pytest.mark.parametrize("name", SETS)
def test_set(name, read):
    rows, width, missing, task, parts, first = SETS[name]
    table, chosen = read(name)
    assert table.frame.shape == (rows, width)
    assert table.parts == parts
    assert chosen == task
    if missing is not None:
        assert table.frame.null_count().sum_horizontal().item() == missing
    kind, inferred = target_kind(table.frame, table.schema)
    if name not in GRADES:
        assert inferred == task.removeprefix("multitarget_")
    if first is not None:
        counts = table.frame[table.schema.targets[0]].value_counts().sort(table.schema.targets[0])
        assert counts["count"][0] == first
    assert [leak.text for leak in find_leaks(table.frame, table.schema, kind) if leak.stops] == []


@pytest.mark.parametrize("name", SEQUENCES)
def test_set_of_sequences(name, read):
    train, test, shortest, longest, channels, task, classes = SEQUENCES[name]
    table, chosen = read(name)
    assert table.parts == ({"train": (0, train), "test": (train, train + test)} if test else {})
    assert len(table) == train + test
    assert len(table.schema.features) == channels
    lengths = table.frame[table.schema.features[-1]].list.len()
    assert (lengths.min(), lengths.max()) == (shortest, longest)
    assert chosen == target_kind(table.frame, table.schema)[1] == task
    assert table.frame[table.schema.targets[0]].n_unique() == classes


@pytest.mark.parametrize("name", SERIES)
def test_set_of_series(name, read, tmp_path):
    n, steps, channels, context, horizon = SERIES[name]
    table, chosen = read(name)
    assert (len(table), len(table.schema.features), chosen) == (n, channels, "forecast")
    assert table.frame[table.schema.features[0]].list.len().sum() == steps
    cfg = composed(tmp_path, f"data={name}")
    assert (cfg.data.context, cfg.data.horizon) == (context, horizon)


@pytest.mark.parametrize("name", STEPS)
def test_set_of_steps(name, read, tmp_path):
    rows, features, task, classes, parts, context = STEPS[name]
    table, chosen = read(name)
    assert (len(table), len(table.schema.features), chosen) == (rows, features, task)
    assert table.parts == parts
    assert table.frame[table.schema.targets[0]].n_unique() == classes
    assert composed(tmp_path, f"data={name}").data.context == context


@pytest.mark.parametrize("name", NAMES)
def test_yaml_says_where_the_data_come_from(name):
    cfg = OmegaConf.load(CONF / "data" / f"{name}.yaml")
    node = cfg.get("data", cfg)
    assert node.name == name
    if name not in OWN:
        assert {"homepage", "licence", "citation"} <= set(node)
        assert all(reason for reason in node.get("exclude", {}).values())


def test_the_command_line_wins_over_the_task_of_a_set(tmp_path):
    assert composed(tmp_path, "data=adult").task.name == "binary"
    assert composed(tmp_path, "data=insteval", "task=multiclass").task.name == "multiclass"
    assert composed(tmp_path, "data=wine_quality").split.group_duplicates is True


def test_adult(read):
    table, _ = read("adult")
    train, test = table.frame[:32561], table.frame[32561:]
    assert train.null_count().sum_horizontal().item() == 4262
    assert test.null_count().sum_horizontal().item() == 2203
    assert train["income"].value_counts().sort("income").rows() == [("<=50K", 24720), (">50K", 7841)]
    assert test["income"].value_counts().sort("income").rows() == [("<=50K", 12435), (">50K", 3846)]
    assert train.row(0)[:4] == (39, "State-gov", 77516, "Bachelors")
    assert [entry["file"] for entry in table.origin] == ["adult.data.gz", "adult.test.gz"]


def test_adult_from_the_original_bytes(real_data, tmp_path, monkeypatch, read):
    """What a download brings gives the same table."""
    import gzip

    whole, _ = read("adult")
    for name in ("adult.data", "adult.test"):
        (tmp_path / name).write_bytes(gzip.decompress((real_data / f"{name}.gz").read_bytes()))
    monkeypatch.setenv("COLONNADE_DATA", str(tmp_path))
    monkeypatch.setattr(catalog, "cache_folder", lambda: tmp_path / "cache")
    table, _ = read("adult")
    assert table.frame.equals(whole.frame)
    assert [entry["file"] for entry in table.origin] == ["adult.data", "adult.test"]


def test_california_has_the_eight_ratios(read):
    table, _ = read("california_housing")
    assert table.schema.features == (
        "MedInc",
        "HouseAge",
        "AveRooms",
        "AveBedrms",
        "Population",
        "AveOccup",
        "Latitude",
        "Longitude",
    )
    first = [8.3252, 41.0, 6.984126984126984, 1.0238095238095237, 322.0, 2.5555555555555554, 37.88, -122.23, 4.526]
    assert table.frame.row(0) == pytest.approx(first)
    assert int((table.frame["MedHouseVal"] > 5).sum()) == 965


def test_leaks_are_excluded_with_reasons(read):
    table, _ = read("bank_marketing")
    assert "duration" not in table.schema.features
    assert table.frame["job"].null_count() == 288
    table, _ = read("airlines_2k")
    assert {"DepDelay", "TaxiOut", "IsArrDelayed"} <= set(table.schema.exclude)
    assert len(table.schema.features) == 13
    table, _ = read("titanic")
    assert set(table.schema.exclude) == {"boat", "body"}


def test_covertype_parts(read):
    table, _ = read("covertype_20k")
    counts = table.frame[:11340]["Cover_Type"].value_counts()["count"]
    assert counts.to_list() == [1620] * 7
    assert table.frame.height == 20000


def test_wine_quality_joins_both_colours(read):
    table, _ = read("wine_quality")
    assert table.frame["colour"].value_counts().sort("colour").rows() == [("red", 1599), ("white", 4898)]
    assert table.frame.select(table.schema.features).hash_rows().n_unique() < 6497 - 1000


def test_emotions_has_six_labels(read):
    table, _ = read("emotions")
    assert len(table.schema.targets) == 6
    assert all(table.frame[name].dtype == pl.Boolean for name in table.schema.targets)
