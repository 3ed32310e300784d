"""`irqbal history`, `decisions` and `export` over a recorded history: what they print, why nothing,
and files that are whole or as they were.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from irqbal.cli.main import cli
from irqbal.errors import HistoryError
from irqbal.wire import Moment
from machine import IRQBAL
from recorded import RECORDED_FROM, record

START, END = str(Moment(RECORDED_FROM)), str(Moment(RECORDED_FROM + 7201))

LAST = str(Moment(RECORDED_FROM + 7200))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(record(tmp_path_factory.mktemp("recorded") / "history.sqlite"))


def run(*words: str, store: str, window: tuple[str, str] = (START, END)) -> Result:
    start, end = window
    return CliRunner().invoke(cli, [*words, "--store", store, "--start", start, "--end", end])


# Tables


def test_history_is_a_table_with_sparklines(store: str) -> None:
    done = run("history", "all", store=store)
    assert "interrupts a second" in done.stdout and "MEAN/S" in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.split()[:1] == ["2"])
    assert line.split()[1:4] == ["10.0", "10.0", str(120 * 600)] and "█" in line
    by_irq = run("history", "eth0", "--by", "irq", store=store).stdout
    assert "ice-eth0-TxRx-0" in by_irq and "nvme0q1" not in by_irq


def test_history_has_json_and_csv(store: str) -> None:
    points = json.loads(run("history", "24", "--json", store=store).stdout)
    assert len(points) == 24 and sum(point["counts"]["2"] for point in points) == 120 * 600
    rows = list(csv.DictReader(io.StringIO(run("history", "all", "--csv", store=store).stdout)))
    assert len(rows) == 24 and sum(int(row["cpu1"]) for row in rows) == 120 * 60


# Nothing


EMPTY = [
    (["history", "all"], "no interrupts from"),
    (["history", "eth0"], "no interrupts of eth0 from"),
    (["decisions"], "no decisions from"),
    (["decisions", "24"], "no decisions of 24 from"),
    (["export", "-"], "no samples from"),
    (["export", "--what", "decisions", "-"], "no decisions from"),
]


@pytest.mark.parametrize(("words", "said"), EMPTY)
def test_an_empty_answer_names_the_window_and_what_there_is(
    words: list[str], said: str, store: str
) -> None:
    done = run(*words, store=store, window=("2020-01-01", "2020-01-02"))
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"There are {said} 2020-01-01T00:00:00Z to 2020-01-02T00:00:00Z" in done.stderr
    assert f"samples from {START[:19]}Z to {LAST[:19]}Z" in done.stderr
    assert "choose --start" in done.stderr


def test_an_answer_that_is_too_late_asks_whether_the_daemon_runs(store: str) -> None:
    done = run("history", "all", store=store, window=("2099-01-01", "2099-01-02"))
    assert "check that the daemon runs and records (`history: every:`)" in done.stderr


def test_a_history_without_a_sample_says_what_records_one(tmp_path: Path) -> None:
    empty = str(record(tmp_path / "history.sqlite", minutes=0, decisions=0))
    done = run("history", "all", store=empty)
    assert "the history holds no sample yet" in done.stderr and "`history: every:`" in done.stderr


@pytest.mark.parametrize(
    ("words", "valid"),
    [
        (["history", "all", "--json"], "[]\n"),
        (["history", "all", "--csv"], "time,seconds\n"),
        (["decisions", "--json"], "[]\n"),
        (["export", "-", "--format", "json"], "[]\n"),
        (["export", "-", "--format", "csv"], "time,seconds,kind,name,cpu,count,clock\n"),
    ],
)
def test_nothing_is_valid_json_and_csv(words: list[str], valid: str, store: str) -> None:
    done = run(*words, store=store, window=("2020-01-01", "2020-01-02"))
    assert done.stdout == valid
    assert "There are no" in done.stderr


def test_a_mistyped_irq_or_device_is_answered_with_those_that_are_like_it(store: str) -> None:
    for words, meant in (
        (["history", "eht0"], "eth0"),
        (["decisions", "ice-eth0-TxRx0"], "ice-eth0-TxRx-0"),
        (["history", "nvme0q"], "nvme0q1"),
        (["history", "0000:01:0.0"], "0000:01:00.0"),
    ):
        error = run(*words, store=store).exception
        assert isinstance(error, HistoryError)
        assert "did you mean" in str(error) and meant in str(error)
    assert "`irqbal topology` lists" in str(run("history", "4000", store=store).exception)


# Files


def exported(out: Path, store: str, *more: str) -> str:
    done = run("export", str(out), *more, store=store)
    assert done.exit_code == 0, done.output
    assert done.stdout == "" and f"{out}: " in done.stderr
    data = out.read_bytes()
    return (gzip.decompress(data) if out.suffix == ".gz" else data).decode()


@pytest.mark.parametrize("end", ["", ".gz"])
def test_the_name_says_the_format(end: str, store: str, tmp_path: Path) -> None:
    lines = exported(tmp_path / f"x.jsonl{end}", store).splitlines()
    assert len(lines) == 120 and json.loads(lines[0])["irq"]
    assert [
        json.dumps(item) for item in json.loads(exported(tmp_path / f"x.json{end}", store))
    ] == [json.dumps(json.loads(line)) for line in lines]
    rows = list(csv.DictReader(io.StringIO(exported(tmp_path / f"x.csv{end}", store))))
    assert sum(int(row["count"]) for row in rows) == 120 * 660
    decided = exported(tmp_path / f"d.ndjson{end}", store, "--what", "decisions").splitlines()
    assert [json.loads(line)["kind"] for line in decided] == ["move"] * 3


def test_an_option_wins_over_the_name_and_a_name_that_says_nothing_is_refused(
    store: str, tmp_path: Path
) -> None:
    assert json.loads(exported(tmp_path / "x.csv", store, "--format", "jsonl").splitlines()[0])
    for name in ("x", "x.txt", "x.gz"):
        done = run("export", str(tmp_path / name), store=store)
        assert done.exit_code == 2
        assert "says no format, so nothing was written" in done.output
        assert "--format" in done.output
        assert not (tmp_path / name).exists()


def test_a_file_is_replaced_with_its_mode_and_through_a_link(store: str, tmp_path: Path) -> None:
    out = tmp_path / "x.csv"
    out.write_text("old")
    out.chmod(0o640)
    link = tmp_path / "y.csv"
    link.symlink_to(out)
    exported(link, store)
    assert link.is_symlink() and out.read_text().startswith("time,")
    assert out.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in tmp_path.iterdir()} == {"x.csv", "y.csv"}


def test_what_cannot_be_written_is_a_sentence(store: str, tmp_path: Path) -> None:
    words = ["--store", store, "--start", START, "--end", END]
    for out, why in ((tmp_path / "no/x.csv", "No such file"), (Path("/dev/full"), "No space")):
        done = subprocess.run(
            [IRQBAL, "export", str(out), *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 3
        assert f"irqbal: {out} cannot be written: {why}" in done.stderr
        assert "Traceback" not in done.stderr


INTERRUPTED = """
import signal, sys
from pathlib import Path
from irqbal.client.cli.export_file import export_to
# A shell's background jobs, and so what they start, ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
out = Path(sys.argv[1])
with export_to(out, "jsonl") as writer:
    while writer.count < 5_000_000:
        writer.item(b'{"a": 1}')
        if writer.count == 100_000:
            print("begun", flush=True)
"""


def test_an_interrupted_export_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    out.write_text("old")
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        assert len(list(tmp_path.iterdir())) == 2
        process.send_signal(signal.SIGINT)
    assert process.returncode != 0
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl"]


FULL = """
import resource, signal, sys
from pathlib import Path
from irqbal.client.cli.export_file import ExportNotWritten, export_to
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with export_to(Path(sys.argv[1]), "jsonl") as writer:
        while True:
            writer.item(b'{"a": %d}' % writer.count)
except ExportNotWritten as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_a_file_that_cannot_grow_leaves_the_old_one(name: str, tmp_path: Path) -> None:
    out = tmp_path / name
    out.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(out)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"{out} cannot be written: File too large; the file of that name is as it was\n"
    )
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == [name]
