"""The leaderboard in the terminal and as files."""

import csv
import io
import re
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from colonnade.report.leaderboard import Row, reproduce, table, write
from colonnade.report.ranking import ranking
from colonnade.report.sheet import sheet
from report.kit import run

LOG = "multirun/s/model=c,seed=1/train.log"
ROWS = [
    run(0.501, model="a", seed=1),
    run(0.503, model="a", seed=2),
    run(0.4, model="b", seed=1),
    run(model="b", seed=2, status="failed", log="multirun/s/model=b,seed=2/train.log"),
    run(model="c", seed=1, status="failed", log=LOG, told={"error": "DataError: column [x]\nsecond line"}),
    run(model="d", seed=1, status="waiting"),
]


def lines(what, width: int = 100) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO(), color_system=None)
    console.print(what)
    return [" ".join(line.split()) for line in console.export_text().splitlines() if line.strip(" ─")]


def test_table() -> None:
    assert lines(table(ROWS, title="grid [x]", width=110), 110) == [
        "grid [x]",
        "# model val/rmse ↓ test/rmse test/r2 test/mae time parameters runs",
        "1 b 0.4 1.4 0.25 0.125 10 s 1k 1 of 2, 1 failed",
        "2 a 0.502 ± 0.001 1.502 ± 0.001 0.25 ± 0 0.125 ± 0 10 s 1k 2 of 2",
        "- d - - - - - - waiting",
        "- c - - - - - - failed",
        "folders: below multirun/s, named after the settings",
        "several seeds: mean ± standard deviation",
        "failed model=b, seed=2: TrainingError: loss is NaN; log: multirun/s/model=b,seed=2/train.log",
        f"failed model=c, seed=1: DataError: column [x] (and 1 more line); log: {LOG}",
    ]


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (100, "# model val/rmse ↓ test/rmse test/r2 test/mae time parameters runs"),
        (95, "# model val/rmse ↓ test/rmse test/r2 time parameters runs"),
        (80, "# model val/rmse ↓ test/rmse time parameters runs"),
        (66, "# model val/rmse ↓ test/rmse time runs"),
        (58, "# model val/rmse ↓ test/rmse runs"),
    ],
)
def test_a_narrow_terminal_gets_fewer_columns(width: int, columns: str) -> None:
    text = lines(table(ROWS, title="", width=width), width)
    assert text[0] == columns
    # A value that is cut off would lose its end.
    assert sum(line.endswith(("2 of 2", "waiting", "1 failed", "1")) for line in text) >= 3
    assert "0.502 ± 0.001 1.502 ± 0.001" in "".join(text)


def test_many_settings_share_a_column() -> None:
    settings = {f"model__backbone__parameter_{i}": 0.125 for i in range(8)}
    text = lines(table([run(1.0, **settings)], title="", width=100))
    assert text[0].startswith("# settings val/rmse ↓")
    assert "parameter_0=0.125" in text[1]


def test_only_the_top_is_shown_and_the_rest_counted() -> None:
    text = lines(table([run(float(i), model=f"m{i}") for i in range(5)], title="", top=2, width=100))
    assert [line.split()[1] for line in text if re.match(r"\d m\d", line)] == ["m0", "m1"]
    assert "3 more lines are not shown" in text


def test_undefined_differs_from_not_measured_and_partly_undefined_is_counted() -> None:
    rows = [
        run(None, model="a"),
        run(1.0, model="b", seed=1),
        run(None, model="b", seed=2),
        run(model="c", status="waiting"),
    ]
    texts = [[cell.text for cell in line[:3]] for line in sheet(ranking(rows)).lines]
    assert texts == [["1", "b", "1 (of 1)"], ["-", "a", "undefined"], ["-", "c", "-"]]


def test_folders_are_told_where_they_say_more_than_the_settings() -> None:
    rows = [replace(row, folder=f"multirun/s/{i}/run,seed={i}") for i, row in enumerate(ROWS[:3])]
    rows += [replace(run(2.0, model="e", seed=s), folder=f"multirun/s/e/run,seed={s}") for s in (1, 2)]
    whole = sheet(ranking(rows))
    assert whole.columns[-1].kind == "folder"
    assert [line[-1].text for line in whole.lines] == ["2/run,seed=2", "multirun/s", "e/run,seed=*"]


def test_several_data_sets_name_their_metrics() -> None:
    told = {"monitor": "val/accuracy", "mode": "max", "metrics": {"val": {"accuracy": 0.9}, "test": {"accuracy": 0.8}}}
    text = lines(table([run(1.0, data="homes"), run(data="adult", told=told)], title="", width=100))
    assert text[:3] == [
        "# data monitored on test time parameters runs",
        "1 homes rmse 1 rmse 2 10 s 1k 1",
        "1 adult accuracy 0.9 accuracy 0.8 10 s 1k 1",
    ]


def test_the_best_again() -> None:
    told = {"overrides": ["model=b", "seed=1", "data.path=my file.csv"]}
    rows = [run(1.0, model="b", seed=1, told=told), run(2.0, model="b", seed=2)]
    assert reproduce(rows) == "colonnade train -m model=b 'data.path=my file.csv' seed=1,2"
    assert reproduce(rows[:1], "python train.py") == "python train.py model=b seed=1 'data.path=my file.csv'"
    assert reproduce([run(model="b", status="failed")]) is None


def test_csv_has_a_line_for_each_run(tmp_path: Path) -> None:
    nasty = run(0.7, model="=1+1", seed=-3, optim__lr="+x", told={"seconds": 1.25})
    write([*ROWS, nasty], tmp_path, title="t", command=None)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "leaderboard.csv").read_text(), newline="")))
    assert [row["key"] for row in rows] == [
        "model=b,seed=1",
        "model=b,seed=2",
        "model=a,seed=1",
        "model=a,seed=2",
        "model==1+1,optim.lr=+x,seed=-3",
        "model=d,seed=1",
        "model=c,seed=1",
    ]
    assert list(rows[0]) == [
        *("rank", "key", "status", "model", "seed", "optim.lr", "val/rmse", "val/r2", "test/rmse", "test/r2"),
        *("test/mae", "seconds", "epochs", "parameters", "folder", "error", "log"),
    ]
    assert (rows[2]["rank"], rows[2]["val/rmse"], rows[2]["test/mae"]) == ("2", "0.501", "0.125")
    assert (rows[4]["model"], rows[4]["seed"], rows[4]["optim.lr"], rows[4]["seconds"]) == (
        "'=1+1",
        "-3",
        "'+x",
        "1.25",
    )
    assert rows[6]["error"] == "DataError: column [x]\nsecond line"
    assert (rows[6]["val/rmse"], rows[6]["log"], rows[6]["status"]) == ("", LOG, "failed")


def test_markdown(tmp_path: Path) -> None:
    rows = [*ROWS[:3], run(3.0, model="x|y <b>", seed=1)]
    write(rows, tmp_path, title="my *grid*", command="colonnade train model=b", notes=["A | note."])
    text = (tmp_path / "leaderboard.md").read_text(encoding="utf-8").splitlines()
    assert text[0] == "# my \\*grid\\*"
    assert text[2:7] == [
        "| # | model | val/rmse ↓ | test/rmse | test/r2 | test/mae | time | parameters | runs |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---|",
        "| 1 | b | 0.4 | 1.4 | 0.25 | 0.125 | 10 s | 1,000 | 1 |",
        "| 2 | a | 0.5020 ± 0.0014 | 1.5020 ± 0.0014 | 0.25 ± 0 | 0.125 ± 0 | 10 s | 1,000 | 2 of 2 |",
        "| 3 | x\\|y \\<b\\> | 3 | 4 | 0.25 | 0.125 | 10 s | 1,000 | 1 |",
    ]
    assert "A \\| note." in text
    assert text[text.index("## The best again") + 2 :] == ["```", "colonnade train model=b", "```"]


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.inside: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        for tag in set(self._open):
            self.inside.setdefault(tag, []).append(data)

    def attributes(self, tag: str, name: str) -> list[str]:
        return [attrs[name] for found, attrs in self.tags if found == tag and name in attrs]


@pytest.fixture
def page(tmp_path: Path) -> Page:
    Image.new("RGB", (2, 2)).save(tmp_path / "history.png")
    rows = [*ROWS, run(3.0, model="<script>alert(1)</script>", seed=1, told={"error": '"><img src=x>'})]
    figures = [tmp_path / "history.png", tmp_path / "gone.png"]
    write(rows, tmp_path, title="<b>", command="echo '<i>'", figures=figures, notes=["<u>"])
    return Page((tmp_path / "leaderboard.html").read_text(encoding="utf-8"))


def test_the_page_escapes_everything(page: Page) -> None:
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == tags.count("style") == tags.count("img") == 1
    assert not {"b", "i", "u", "link", "iframe"} & set(tags)
    assert page.inside["h1"] == ["<b>"]
    assert "".join(page.inside["pre"]) == "echo '<i>'"
    assert "<script>alert(1)</script>" in "".join(page.inside["td"])


def test_the_page_allows_itself_its_own_script_and_style_only(page: Page) -> None:
    from base64 import b64encode

    [policy] = page.attributes("meta", "content")[:1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag in ("script", "style"):
        digest = b64encode(sha256("".join(page.inside[tag]).encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert not page.attributes("div", "style") + page.attributes("td", "onclick") + page.attributes("img", "srcset")
    [source] = page.attributes("img", "src")
    assert source.startswith("data:image/png;base64,iVBOR")


def test_the_page_can_be_sorted_and_leads_to_the_runs(page: Page, tmp_path: Path) -> None:
    values = [attrs["data-value"] for tag, attrs in page.tags if tag == "td" and attrs.get("class") == "numeric"]
    assert values[:3] == ["1", "0.4", "1.4"]
    links = page.attributes("a", "href")
    # Of the lines with one run, and of all runs.
    assert len(links) == 3 + 7
    assert all(link.startswith("./") and link.endswith("/") for link in links)
    assert "model=c, seed=1" in page.inside["strong"]
    assert page.inside["summary"] == ["Every run with all of its metrics (7)"]


def test_links_begin_at_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    row = Row("javascript:x", "out/javascript:x y", "finished", {}, run(1.0, a=1).result)
    write([row], Path("out"), title="t", command=None)
    page = Page((tmp_path / "out" / "leaderboard.html").read_text(encoding="utf-8"))
    assert set(page.attributes("a", "href")) == {"./javascript%3Ax%20y/"}


def test_nothing_to_show(tmp_path: Path) -> None:
    write([], tmp_path, title="none", command=None)
    assert (tmp_path / "leaderboard.csv").read_text().startswith("rank,key,status,")
    assert lines(table([], title="none", width=100))[0] == "none"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"leaderboard.{end}" for end in ("csv", "html", "md")]
