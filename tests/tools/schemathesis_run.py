"""Schemathesis against a daemon on a made-up host: `python tests/tools/schemathesis_run.py CASES`,
as `make schemathesis` does.

CASES are how many generated requests each operation gets at most, besides those that follow from
the OpenAPI document itself.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec

from served import Served, serve

HERE = Path(__file__).resolve().parent
PATIENT = (
    "import irqbal.api.http.token_failures as it; it.MOST_FAILURES = 10**9; from "
    "irqbal.cli.main import main; main()"
)
"""A daemon that never answers 429: Schemathesis sends many wrong tokens, and expects 401 each
time.
"""


class RunResult(msgspec.Struct, frozen=True):
    """What Schemathesis said: requests that it sent, its exit status, all of its output."""

    cases: int
    status: int
    text: str


def run(
    served: Served, most: int, token: str, without: str = "/events$", fixed: bool = False
) -> RunResult:
    """Every check on every operation but the events, which do not end; `without` is a pattern of
    paths. `fixed`: the same requests each time.
    """
    number, other, named = served.irq()["number"], served.irq(False)["number"], served.irq(index=3)
    names = f"irq={number},{other},{named['name']},eth0;device=eth0,{named['name']},0000:01:00.0;host={os.uname().nodename}"  # noqa: E501
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "run",
        f"http://127.0.0.1:{served.port}/api/v1/openapi.json",
        "--checks",
        "all",
        "--max-examples",
        str(most),
        "--continue-on-failure",
        "--exclude-path-regex",
        without,
        "--no-color",
    ]
    command += ["--generation-deterministic"] if fixed else ["--generation-database", "none"]
    if token:
        command += ["--header", f"Authorization: Bearer {token}"]
    env = {**os.environ, "IRQBAL_NAMES": names, "PYTHONPATH": str(HERE)}
    # It leaves files where it runs.
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env=env,
        cwd=served.state.parent,
        timeout=1800,
    )
    found = re.search(r"(\d+) generated", done.stdout)
    return RunResult(int(found[1]) if found else 0, done.returncode, done.stdout + done.stderr)


def patient() -> tuple[str, ...]:
    """The command of such a daemon."""
    return (sys.executable, "-c", PATIENT)


def main() -> int:
    """Print what came of it, with an admin's token and without; the exit status says whether all
    was well.
    """
    status = 0
    for scope in ("admin", "none"):
        with serve(command=patient()) as served:
            result = run(served, int(sys.argv[1]), served.admin if scope == "admin" else "")
            log = served.said()
            wrong = [line for line in log.splitlines() if "ERROR" in line]
        print(
            f"token: {scope}; {result.cases} requests; exit status {result.status}; errors in the "
            f"log: {wrong or 'none'}"
        )
        if result.status or wrong:
            print(result.text, log[log.find("ERROR") :][:10_000] if wrong else "", sep="\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
