"""`date -s` below a running daemon on a real kernel: nothing that was recorded is lost."""

from __future__ import annotations

import json

import pytest

from vm.guest import PYTHON, daemon, wait
from vm.lab import Vm

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]

CONFIG = "history: {every: 500ms}\nstate_dir: /run/test/state\napi: {listen: []}"
READ = f"""{PYTHON} - <<'E'
import json, time
from pathlib import Path
from irqbal.history.sqlite.store import SqliteHistory
path = Path("/run/test/state/history.sqlite")
if path.exists():
    store = SqliteHistory(path)
    found = sorted(store.samples(0, 1e11), key=lambda item: item.sequence)
    assert store.check() == "ok"
    print(json.dumps([[item.sequence, item.wall, item.clock] for item in found]))
else:
    print("[]")
E"""


def _samples(vm: Vm) -> list[tuple[int, float, str]]:
    return [
        (one[0], one[1], one[2]) for one in json.loads(vm.run(READ, timeout=120).check().stdout)
    ]


def _more(vm: Vm, count: int) -> None:
    before = len(_samples(vm))
    wait(lambda: len(_samples(vm)) >= before + count, vm)


@pytest.mark.parametrize("offset", [3 * 365 * 86400, 40 * 86400, -3600])
def test_the_clock_is_wrong_for_a_while_and_then_right_again(vm: Vm, offset: int) -> None:
    vm.run("rm -rf /run/test/state").check()
    try:
        with daemon(vm, CONFIG):
            _more(vm, 5)
            kept = {one[0] for one in _samples(vm)}
            now = float(vm.run("date +%s").check().stdout)
            vm.run(f"date -s @$(( $(date +%s) + {offset} ))").check()
            _more(vm, 8)
            vm.run(f"date -s @$(( $(date +%s) - {offset} ))").check()
            _more(vm, 5)
    finally:
        if abs(float(vm.run("date +%s").check().stdout) - now) > 1800:
            vm.run(f"date -s @$(( $(date +%s) - {offset} ))").check()
    found = _samples(vm)
    assert kept <= {one[0] for one in found}
    wrong = [one for one in found if abs(one[1] - now) > 1800]
    assert len(wrong) >= 6 and {one[2] for one in wrong} == {"wrong"}
    assert sum(one[2] != "" for one in found) <= len(wrong) + 2
