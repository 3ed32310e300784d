"""`irqbal-client` against a whole daemon on a made-up host: every command in its three forms,
options anywhere, exit statuses.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import machine
import served
from calls import CLIENT, Done, call, process
from client_commands import READING
from irqbal.api.contract import PREFIX, ROUTES
from irqbal.client.cli import history
from irqbal.client.cli import main as cli
from irqbal.wire import Moment


@pytest.fixture(scope="module")
def daemon() -> Iterator[served.Served]:
    with served.serve() as found:
        machine.wait_for(
            lambda: found.get(f"{PREFIX}/cpus/history?start=1h&step=1s")["points"], found.log
        )
        yield found


def unix(daemon: served.Served, *words: str, stdin: str = "") -> Done:
    """Over the socket, where this user may do everything."""
    return call(f"unix:{daemon.socket}", "-", *words, stdin=stdin)


def tcp(daemon: served.Served, *words: str) -> Done:
    return call("127.0.0.1", str(daemon.port), *words)


ELSEWHERE = {
    "override",
    "watch",
    "top",
    "pause",
    "resume",
    "cycle",
    "restore",
    "export",
    "metrics",
    "completion",
}
"""Commands that have tests of their own."""


def shape(value: object) -> object:
    """Names and kinds of JSON, without the values, which change from one cycle to the next."""
    if isinstance(value, dict):
        return {key: None if key == "counts" else shape(inner) for key, inner in value.items()}
    return (
        [shape(inner) for inner in value[:1]]
        if isinstance(value, list)
        else type(value) in (int, float) or type(value).__name__
    )


@pytest.mark.parametrize("words", READING)
def test_a_command_that_reads_has_three_forms(daemon: served.Served, words: str) -> None:
    text, path, column = READING[words]
    table, as_json, as_csv = (
        tcp(daemon, *words.split(), *form) for form in ((), ("-o", "json"), ("--output=csv",))
    )
    assert [done.status for done in (table, as_json, as_csv)] == [0, 0, 0], as_json.err + as_csv.err
    assert text in table.out
    assert not table.err
    assert shape(as_json.json) == shape(daemon.get(path))
    assert as_csv.csv or words in (
        "override list",
        "findings",
        "explain 25",
        "fleet --code remote-queue",
        "trials",
    )
    assert as_csv.out.splitlines()[0].split(",")[0] == column


def test_every_command_is_tested_and_every_route_has_a_command() -> None:
    assert set(cli.cli.commands) == {words.split()[0] for words in READING} | ELSEWHERE
    folder = Path(cli.__file__).parent
    text = (
        "".join(path.read_text() for path in folder.glob("*.py"))
        + (folder.parent / "http.py").read_text()
        # `irqbal trial` on the host itself starts and follows trials.
        + (folder.parents[1] / "cli/trial_client.py").read_text()
    )
    machines = {"openapi", "healthz", "readyz"}
    assert {route.name for route in ROUTES if f'"{route.name}"' not in text} == machines


def test_json_is_the_answer_byte_by_byte(daemon: served.Served) -> None:
    for words, path in (
        ("policies", f"{PREFIX}/policies"),
        ("cpu_count", "/cpu_count"),
        ("list_devices", "/devices"),
    ):
        assert (
            tcp(daemon, words, "-ojson").out.encode()
            == daemon.ask("GET", path).body.rstrip(b"\n") + b"\n"
        )


def test_the_lists_of_irq_manager_look_as_they_did(daemon: served.Served) -> None:
    lines = tcp(daemon, "list_devices").out.splitlines()
    assert lines[:2] == [
        f"There are {len(lines) - 1} devices on '127.0.0.1:{daemon.port}'",
        "    - acpi",
    ]
    rows = tcp(
        daemon,
        "device_detail",
        "ice-eth0-TxRx-0",
        "-s",
        "2h",
        "--end-datetime",
        "20990101-000000",
        "-o",
        "csv",
    ).csv
    assert {row["device"] for row in rows} == {"ice-eth0-TxRx-0"}
    assert {f"cpu{cpu}" for cpu in range(16)} < set(rows[0])


# Options and names


@pytest.mark.parametrize(
    "words",
    [
        "-o json HOST PORT status",
        "HOST -o json PORT status",
        "HOST PORT -o json status",
        "HOST PORT status -o json",
        "HOST --output=json PORT status",
        "--timeout 5 HOST PORT status -ojson",
        "-o csv HOST PORT status -o json",
        "-ojson HOST PORT status",
    ],
)
def test_options_stand_anywhere_and_the_last_one_wins(daemon: served.Served, words: str) -> None:
    filled = words.replace("HOST", "127.0.0.1").replace("PORT", str(daemon.port))
    assert call(*filled.split()).json["interval"] == "1s"


def test_options_within_a_group_too(daemon: served.Served) -> None:
    for words in ("-o json override list", "override -o json list", "override list -o json"):
        assert tcp(daemon, *words.split()).json == []


def test_dashes_do_for_underscores(daemon: served.Served) -> None:
    assert tcp(daemon, "cpu-count").out == tcp(daemon, "cpu_count").out
    assert tcp(daemon, "device-detail", "24").status == 0


def test_filters_of_irqs(daemon: served.Served) -> None:
    rows = tcp(daemon, "irqs", "--device", "nvme0n1", "--unmovable", "-o", "json").json
    assert len(rows) >= 8
    assert all(not row["movable"] for row in rows)
    assert all(row["movable"] for row in tcp(daemon, "irqs", "--movable", "-o", "json").json)
    cpu = tcp(daemon, "irqs", "--device", "eth0", "--policy", "pin_nic_queues", "-o", "json").json[
        0
    ]["effective"]
    found = tcp(daemon, "irqs", "--cpu", cpu, "-o", "csv").csv
    assert found
    assert {row["effective"] for row in found} == {cpu}


def test_help_needs_no_daemon() -> None:
    done = call("--help")
    assert done.status == 0
    assert "Exit status: 0 done; 1 the daemon or the kernel refused" in done.out
    assert "Examples:" in done.out
    for name in cli.cli.commands:
        help_ = call("nowhere", "1", name, "--help")
        assert help_.status == 0
        assert f"HOST PORT {name}" in help_.out.replace(
            "irqbal-client completion", "HOST PORT completion"
        )
    assert call("--version").out.startswith("irqbal-client, version ")


# What people decide


def test_an_override_is_set_shown_and_cleared(daemon: served.Served) -> None:
    before = unix(daemon, "irqs", "--device", "eth0", "-o", "json").json[3]
    number, other = before["number"], "5" if before["affinity"] != "5" else "6"
    done = unix(
        daemon,
        "override",
        "set",
        str(number),
        other,
        "--for",
        "2h",
        "--reason",
        'a test, with a "comma"',
    )
    assert done.status == 0, done.err
    assert f"was on CPUs {before['affinity']}, is on {other}: written; until 20" in done.out
    row = unix(daemon, "override", "list", "-o", "csv").csv[0]
    assert (row["irq"], row["cpus"], row["reason"]) == (
        str(number),
        other,
        'a test, with a "comma"',
    )
    assert 7000 < Moment.parse(row["expires"]) - time.time() < 7201
    assert "a test" in unix(daemon, "override", "list").out
    assert "a test" in unix(daemon, "explain", before["name"]).out
    assert [
        item["kind"]
        for item in unix(
            daemon, "decisions", "--search", "a test", "--kind", "override", "-o", "json"
        ).json
    ]
    cleared = unix(daemon, "override", "clear", before["name"], "-o", "csv")
    assert cleared.csv[0]["override.cpus"] == other
    assert unix(daemon, "override", "clear", str(number)).status == 1
    assert (
        unix(daemon, "override", "set", str(number), "5", "-o", "json").json["override"]["cpus"]
        == "5"
    )
    assert unix(daemon, "override", "clear", str(number)).out.startswith(f"IRQ {number} ")


def test_a_mask_is_set_as_irq_managers_client_did(daemon: served.Served) -> None:
    assert "is on 0-1: written" in unix(daemon, "cpu_affinity", "ice-eth0-TxRx-1", "-a", "3").out
    assert (
        "was on CPUs 0-1, is on 2"
        in unix(daemon, "cpu-affinity", "ice-eth0-TxRx-1", "--cpus", "2").out
    )
    assert unix(daemon, "cpu_affinity", "ice-eth0-TxRx-1", "-o", "csv").csv == [{"affinity": "4"}]
    assert unix(daemon, "override", "clear", "ice-eth0-TxRx-1").status == 0


def test_plans_of_now_and_of_other_policies(daemon: served.Served, tmp_path: Path) -> None:
    assert "dry run" in unix(daemon, "plan", "--now").out
    file = tmp_path / "other.yaml"
    file.write_text(
        "interval: 5s\npolicies:\n  - pin_irqs: {rules: [{irq: 'ice-eth0*', cpus: '7'}]}\n"
    )
    done = unix(daemon, "plan", "-c", str(file), "-o", "json")
    assert done.status == 0, done.err
    moves = done.json["cycle"]["moves"]
    assert {move["to"] for move in moves if move["name"].startswith("ice-eth0")} == {"7"}
    rows = unix(daemon, "plan", "-c", "-", "-o", "csv", stdin=file.read_text()).csv
    assert {row["what"] for row in rows} >= {"move"}
    file.write_text("policies:\n  - pin_irqz\n  - spread_by_rate: {min_gain: x}\n")
    refused = unix(daemon, "plan", "-c", str(file))
    assert refused.status == 1
    assert "pin_irqz" in refused.err
    file.write_bytes(b"\xff\xfe")
    assert unix(daemon, "plan", "-c", str(file)).status == 2


def test_pause_cycle_and_resume(daemon: served.Served) -> None:
    try:
        assert "paused until 20" in unix(daemon, "pause", "--for", "10m").out
        assert unix(daemon, "status", "-o", "json").json["paused"]
    finally:
        assert unix(daemon, "resume", "-o", "json").json["paused"] is False
    assert "paused" in unix(daemon, "pause", "-o", "csv").csv[0]["state"]
    assert "balancing" in unix(daemon, "resume").out
    assert "right already" in unix(daemon, "cycle").out
    assert unix(daemon, "cycle", "-o", "json").json["cause"]
    assert unix(daemon, "cycle", "-o", "csv").status == 0


def test_restore_asks_first(daemon: served.Served) -> None:
    assert unix(daemon, "restore", stdin="n\n").status == 1
    nobody = unix(daemon, "restore")
    assert nobody.status == 2
    assert "add --yes" in nobody.err
    assert unix(daemon, "status", "-o", "json").json["paused"] is False
    try:
        done = unix(daemon, "restore", stdin="y\n")
        assert done.status == 0
        assert "irqbal is paused" in done.out
        assert unix(daemon, "restore", "--yes", "-o", "json").json["paused"]
        assert unix(daemon, "restore", "-y", "-o", "csv").status == 0
    finally:
        unix(daemon, "resume")


# What was


def test_export_is_json_lines_or_csv(daemon: served.Served) -> None:
    for what in ("irqs", "decisions", "history"):
        words = ("export", "--what", what, *(() if what == "irqs" else ("--start", "1h")))
        lines = [json.loads(line) for line in unix(daemon, *words).out.splitlines()]
        rows = unix(daemon, *words, "-o", "csv").csv
        assert len(lines) > 1 or what == "history"
        assert rows
        if what != "irqs":
            times = [line["at"] for line in lines]
            assert times == sorted(times)
    series = daemon.get(f"{PREFIX}/cpus/history?by=irq&start=1h")
    total = sum(sum(point["counts"].values()) for point in series["points"])
    assert (
        sum(int(row["count"]) for row in unix(daemon, "export", "--start", "1h", "-o", "csv").csv)
        >= total
    )


@pytest.mark.parametrize(
    ("words", "title", "head", "line"),
    [
        ("--show load --by device", "load in percent of a CPU", "DEVICE", "eth0 "),
        ("--show load --by kind", "load in percent of a CPU", "KIND", "softirqs "),
        ("--show load --by irq", "load in percent of a CPU", "IRQ", "ice-eth0-TxRx-"),
        ("--show softirqs --by kind", "softirqs a second", "KIND", "NET_RX "),
        ("--cpu 1", "interrupts a second", "CPU", "1 "),
    ],
)
def test_history_shows_loads_and_softirqs(
    daemon: served.Served, words: str, title: str, head: str, line: str
) -> None:
    done = unix(daemon, *f"history all --start 1h --step 1s {words}".split())
    first, heads, *lines = done.out.splitlines()
    assert title in first and heads.startswith(head) and lines
    assert any(one.startswith(line) for one in lines), done.out
    if words.startswith("--cpu"):
        assert len(lines) == 1


def test_what_only_cpus_have_is_refused_for_a_device(daemon: served.Served) -> None:
    done = unix(daemon, *["history", "eth0", "--show", "drops"])
    assert done.status == 1 and "drops are counted by CPU and kind, not by IRQ" in done.err


def test_metrics_are_text_or_samples(daemon: served.Served) -> None:
    assert "# HELP irqbal_" in tcp(daemon, "metrics").out
    names = {row["name"] for row in tcp(daemon, "metrics", "-o", "csv").csv}
    assert names == {row["name"] for row in tcp(daemon, "metrics", "-o", "json").json}


def test_export_turns_pages_without_loss_or_doubles(
    daemon: served.Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = unix(
        daemon, "export", "--what", "decisions", "--start", "1h", "--end", "2099-01-01"
    ).out
    most = max(whole.splitlines().count(line) for line in whole.splitlines())
    moments = [json.loads(line)["at"] for line in whole.splitlines()]
    # A page must hold more than one moment's decisions.
    size = max(moments.count(moment) for moment in moments) + 2
    assert size < len(moments)
    monkeypatch.setattr(history, "PAGE", size)
    paged = unix(
        daemon, "export", "--what", "decisions", "--start", "1h", "--end", "2099-01-01"
    ).out
    assert most == 1
    assert sorted(paged.splitlines()[-len(moments) :]) == sorted(whole.splitlines())


# Nothing


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("irqs --device eht0", "The host has no device eht0; did you mean eth0"),
        ("irqs --device nonsense", "`devices` lists those that it has"),
        ("irqs --device eth0 --unmovable", "No IRQ of eth0 passes these filters"),
        ("irqs --policy nobody", "No IRQ was placed by nobody"),
        ("decisions --start 2000-01-01 --end 2000-01-02", "from 2000-01-01T00:00:00Z to 2000-01"),
        ("decisions --search nothing-like-it", "that match from"),
        ("history all --start 2000-01-01 --end 2000-01-02", "from 2000-01-01T00:00:00Z to 2000-0"),
        ("override list", "`override set` makes one"),
        ("export --start 2000-01-01 --end 2000-01-02 -", ""),
    ],
)
def test_an_empty_answer_is_a_sentence_and_valid_json_and_csv(
    daemon: served.Served, words: str, said: str
) -> None:
    done = unix(daemon, *words.split())
    assert done.status == 0
    if words.startswith("export"):
        assert done.out == ""
        assert "no history of that time; --start 30d looks further back" in done.err
    else:
        assert said in done.out and len(done.out.splitlines()) == 1
    as_json = unix(daemon, *words.split(), "-o", "json")
    assert as_json.out == "" if words.startswith("export") else as_json.json is not None
    assert len(unix(daemon, *words.split(), "-o", "csv").out.splitlines()) == 1


def test_an_export_goes_to_a_file_by_its_name(daemon: served.Served, tmp_path: Path) -> None:
    for name in ("x.csv", "x.json", "x.jsonl"):
        out = tmp_path / name
        done = unix(daemon, "export", "--what", "irqs", str(out))
        assert (done.status, done.out) == (0, "")
        assert f"{out}: " in done.err
    numbers = {irq["number"] for irq in daemon.get(f"{PREFIX}/irqs")}
    assert {irq["number"] for irq in json.loads((tmp_path / "x.json").read_text())} == numbers
    lines = (tmp_path / "x.jsonl").read_text().splitlines()
    assert {json.loads(line)["number"] for line in lines} == numbers
    table = (tmp_path / "x.csv").read_text().splitlines()
    assert len(table) == len(numbers) + 1
    # Rates and ages are another cycle's by now.
    printed = unix(daemon, "-o", "csv", "export", "--what", "irqs").out.splitlines()
    assert printed[0] == table[0]
    assert [row.split(",")[0] for row in printed] == [row.split(",")[0] for row in table]
    refused = unix(daemon, "export", str(tmp_path / "x.txt"))
    assert refused.status == 2 and "says no format" in refused.err
    failed = unix(daemon, "export", str(tmp_path / "none/x.csv"))
    assert failed.status == 1 and "cannot be written" in failed.err


# Exit statuses


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("status --nonsense", 2, "--nonsense"),
        ("no_such_command", 2, "no_such_command"),
        ("override set 25 x-y", 2, "x-y"),
        ("override set 25", 2, "CPUS"),
        ("history 25 --start yesterday", 2, "2h for two hours ago"),
        ("cpu_affinity 25 -a zz", 2, "zz"),
        ("cpu_affinity 25 -a 1 --cpus 1", 2, "not both"),
        ("pause --for soon", 2, "soon"),
        ("status --token-file /nonexistent", 2, "/nonexistent"),
        ("explain 4000", 1, "there is no IRQ 4000"),
        ("explain eth0", 1, "name one by its number\n  2"),
        ("history nonsense", 1, "`irqs` and `devices` list them"),
        ("history eht0", 1, "has an IRQ or a device eht0; did you mean eth0"),
        ("explain ice-eth0-TxRx0", 1, "did you mean ice-eth0-TxRx-0"),
        ("override set ice-eth0-TxRx0 1", 1, "did you mean ice-eth0-TxRx-0"),
        ("override clear ice-eth0-TxRx0", 1, "did you mean ice-eth0-TxRx-0"),
        ("decisions --irq ice-eth0-TxRx0", 1, "did you mean ice-eth0-TxRx-0"),
        ("override set 25 99", 1, "not online"),
        ("status --on other", 1, "answers for"),
        ("list_devices --on other", 2, "leave --on out"),
    ],
)
def test_what_is_wrong_is_said_on_stderr(
    daemon: served.Served, words: str, status: int, said: str
) -> None:
    done = unix(daemon, *words.split())
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert "Traceback" not in done.err


def test_an_irq_that_the_kernel_owns_is_refused(daemon: served.Served) -> None:
    number = daemon.irq(movable=False)["number"]
    done = unix(daemon, "override", "set", str(number), "0")
    assert done.status == 1
    assert "cannot be moved" in done.err


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("127.0.0.1", "1"),
        ("unix:/nonexistent/x.sock", "-"),
        ("no-such-host.invalid", "80"),
        ("[::1]", "1"),
        ("a" * 70 + ".b", "80"),
    ],
)
def test_nobody_there(host: str, port: str) -> None:
    done = call(host, port, "status")
    assert (done.status, done.out) == (3, "")
    assert "does not answer" in done.err
    assert "Check that the daemon runs" in done.err


@pytest.mark.parametrize(
    "words",
    [
        "status",
        "127.0.0.1 status",
        "localhost 99999 status",
        "unix:/x 80 status",
        "http://localhost/ 80 status",
        "override list",
    ],
)
def test_host_and_port_are_missed(words: str) -> None:
    done = call(*words.split(), "status") if "status" not in words else call(*words.split())
    assert done.status == 2
    assert "Usage:" in done.err


def test_top_says_what_it_needs(daemon: served.Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "irqbal.client.top.main", None)
    done = unix(daemon, "top")
    assert done.status == 2
    assert "irqbal-client top needs Textual: pip install 'irqbal[top]'" in done.err


def test_a_reader_that_leaves_and_a_full_disk_are_no_tracebacks(daemon: served.Served) -> None:
    with subprocess.Popen(
        f"{CLIENT} 127.0.0.1 {daemon.port} metrics; echo $? >&2",
        shell=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as piped:
        assert piped.stdout is not None
        assert piped.stderr is not None
        piped.stdout.close()
        assert piped.stderr.read() == "141\n"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [CLIENT, "127.0.0.1", str(daemon.port), "irqs"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "irqbal-client: the output cannot be written: No space left on device\n"


def test_an_ascii_terminal_gets_what_it_can_show(daemon: served.Served) -> None:
    done = process(
        "127.0.0.1", str(daemon.port), "history", "all", env={"PYTHONIOENCODING": "ascii"}
    )
    assert (done.returncode, done.stderr) == (0, "")


def on_terminal(columns: int, *words: str) -> list[str]:
    """What a terminal of so many columns shows."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(COLUMNS=str(columns), TERM="xterm")
        os.execv(CLIENT, [CLIENT, *words])
    shown = b""
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.waitpid(pid, 0)
    os.close(terminal)
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r", "").splitlines()


@pytest.mark.parametrize("words", ["irqs", "decisions", "policies", "history all"])
def test_tables_fit_80_columns(daemon: served.Served, words: str) -> None:
    lines = on_terminal(80, "127.0.0.1", str(daemon.port), *words.split())
    assert max(len(line) for line in lines) <= 80
    header = next(line for line in lines if re.search(r"IRQ|TIME|#|CPU ", line)).split()
    assert len(header) >= 4
    # Columns are left out rather than squeezed to a letter.
    assert all(len(part) > 1 for part in header if part.isalpha())
