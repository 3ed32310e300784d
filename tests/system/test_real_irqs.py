"""On this machine's own kernel, as root: real IRQs are moved, restored, and left alone where they
must be.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

import machine
from machine import IRQBAL, RUN, daemon, irqbal, masks, wait_for

HWRNG = Path("/dev/hwrng")


def _counts() -> dict[int, int]:
    found = re.findall(r"^ *(\d+):((?: +\d+)+)", Path("/proc/interrupts").read_text(), re.MULTILINE)
    return {int(number): sum(map(int, cells.split())) for number, cells in found}


def _raise_interrupts(folder: Path) -> None:
    """What reaches the disk raises its interrupt (which the kernel may own), and random numbers of
    a virtual machine come with one.
    """
    if HWRNG.exists():
        with HWRNG.open("rb", buffering=0) as numbers:
            numbers.read(64)
    with (folder / "written").open("wb") as file:
        for _ in range(20):
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())


def _busy_irq(folder: Path) -> int:
    """The movable IRQ that `_raise_interrupts` raises; where it raises none, the one that fired
    most often.
    """
    before = _counts()
    _raise_interrupts(folder)
    after = _counts()
    return max(
        machine.movable(), key=lambda number: (after[number] - before[number], after[number])
    )


def _follows(number: int, target: str, folder: Path) -> bool:
    _raise_interrupts(folder)
    return machine.effective(number) == target


def _pin(tmp_path: Path, rules: str, rest: str = "") -> str:
    path = tmp_path / "irqbal.yaml"
    path.write_text(
        f"interval: 300ms\nstate_dir: {tmp_path / 'state'}\n"
        f"api: {{listen: ['unix:/run/irqbal/irqbal.sock']}}\n{rest}policies:\n  - pin_irqs: "
        f"{{rules: [{rules}]}}\n"
    )
    return str(path)


def _last_cpu() -> int:
    return int(
        Path("/sys/devices/system/cpu/online").read_text().strip().replace("-", ",").split(",")[-1]
    )


def test_a_real_irq_is_moved_its_effective_affinity_follows_and_restore_is_exact(
    tmp_path: Path, own_masks: dict[int, str]
) -> None:
    number = _busy_irq(tmp_path)
    here = machine.effective(number)
    target = str(_last_cpu()) if here != str(_last_cpu()) else "0"
    config = _pin(tmp_path, f"{{irq: '{number}', cpus: '{target}'}}")
    log = tmp_path / "log"
    with daemon("-c", config, log=log) as process:
        wait_for(lambda: masks()[number] == target, log)
        # The next interrupt carries it over.
        wait_for(lambda: _follows(number, target, tmp_path), log)
        assert f"moved IRQ {number} (" in log.read_text() and "pin_irqs: rule 1" in log.read_text()
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(machine.WAIT) == 0
        assert time.monotonic() - started < 50
    assert masks()[number] == target, "on_exit: keep"
    assert f"IRQ {number} (" in irqbal("restore", "-c", config).stdout
    assert masks() == own_masks
    assert "Nothing to restore" in irqbal("restore", "-c", config).stdout


def test_restore_with_a_daemon_running_asks_it_and_it_pauses(
    tmp_path: Path, own_masks: dict[int, str]
) -> None:
    number = machine.movable()[0]
    config = _pin(tmp_path, f"{{irq: '{number}', cpus: '{_last_cpu()}'}}")
    log = tmp_path / "log"
    with daemon("-c", config, log=log):
        wait_for(lambda: masks()[number] == str(_last_cpu()), log)
        done = irqbal("restore", "-c", config)
        assert "paused" in done.stderr
        assert masks() == own_masks
        time.sleep(1.0)
        assert masks() == own_masks, "a paused daemon writes nothing"


def test_on_exit_restore_puts_the_originals_back(tmp_path: Path, own_masks: dict[int, str]) -> None:
    number = machine.movable()[0]
    config = _pin(tmp_path, f"{{irq: '{number}', cpus: '{_last_cpu()}'}}", "on_exit: restore\n")
    log = tmp_path / "log"
    with daemon("-c", config, log=log):
        wait_for(lambda: masks()[number] == str(_last_cpu()), log)
    assert masks() == own_masks


def _kill_points() -> list[tuple[str, int]]:
    """(system call, which one): every write and open of a mask or of the journal, from the first
    original saved on.
    """
    count = len(machine.movable())
    writes = [("write", n) for n in range(1, count + 2)]
    opens = [("openat", n) for n in range(count + 1, 3 * count + 3)]
    return [*writes, ("fsync", 1), *opens]


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.long)])
def test_kill_9_between_any_two_writes_loses_no_original(
    tmp_path: Path, own_masks: dict[int, str], every: int
) -> None:
    config = _pin(tmp_path, f"{{irq: '*', cpus: '{_last_cpu()}'}}")
    watched = [
        word for number in own_masks for word in ("-P", f"/proc/irq/{number}/smp_affinity_list")
    ]
    watched += ["-P", str(RUN / "originals.jsonl")]
    points = _kill_points()[::every]
    killed = changed = 0
    for call, nth in points:
        command = ["strace", "-f", "-qq", "-o", str(tmp_path / "trace"), *watched]
        command += ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={nth}"]
        command += [IRQBAL, "apply", "-c", config, "--seconds", "0.05"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        killed += done.returncode == 137 or done.returncode == -9
        changed += masks() != own_masks
        irqbal("restore", "-c", config)
        assert masks() == own_masks, f"killed at {call} {nth}: {done.stderr}"
    assert killed >= 50 / every, f"only {killed} of {len(points)} points were reached"
    assert changed >= 10 / every, "the kills must fall between writes, not before them"


def test_a_managed_irq_is_reported_and_its_file_never_opened_for_writing(tmp_path: Path) -> None:
    number = machine.managed()[0]
    config = _pin(tmp_path, "{irq: '*', cpus: '0'}")
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-qq", "-e", "trace=openat,open,creat,openat2", "-o", str(trace)]
    done = subprocess.run(
        [*command, IRQBAL, "apply", "-c", config, "--seconds", "0.05"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    opened = [line for line in trace.read_text().splitlines() if f"/proc/irq/{number}/" in line]
    assert opened, "it must at least have been read"
    assert not [line for line in opened if "O_WRONLY" in line or "O_RDWR" in line]
    others = [
        line
        for line in trace.read_text().splitlines()
        if "/smp_affinity_list" in line and "O_WRONLY" in line
    ]
    assert others, "the trace must show the writes of others, or it proves nothing"
    line = next(line for line in done.stdout.splitlines() if line.lstrip().startswith(f"{number} "))
    assert "its driver left its affinity to the kernel (managed)" in line


def test_a_dry_run_and_plan_write_nothing(tmp_path: Path, own_masks: dict[int, str]) -> None:
    config = _pin(tmp_path, f"{{irq: '*', cpus: '{_last_cpu()}'}}")
    assert "would be made" in irqbal("plan", "-c", config, "--seconds", "0.1").stdout
    log = tmp_path / "log"
    with daemon("-c", config, "--dry-run", log=log):
        wait_for(lambda: "would move IRQ" in log.read_text(), log)
        time.sleep(0.7)
    assert log.read_text().count("would move IRQ") == len(machine.movable()), (
        "said once, not every cycle"
    )
    assert masks() == own_masks
    assert not (RUN / "originals.jsonl").exists()


def test_verify_is_clean_after_apply_and_explain_tells_the_plan_that_placed(
    tmp_path: Path, own_masks: dict[int, str]
) -> None:
    path = tmp_path / "irqbal.yaml"
    path.write_text(f"interval: 1s\nstate_dir: {tmp_path}/state\n")
    config = str(path)
    before = irqbal("verify", "-c", config, "--seconds", "0.1", check=1)
    assert "warning" in before.stdout.splitlines()[-1]
    irqbal("apply", "-c", config, "--seconds", "0.1")
    after = irqbal("verify", "-c", config, "--seconds", "0.1")
    assert "warning" not in after.stdout.splitlines()[-1], after.stdout
    irqbal("restore", "-c", config)
    log = tmp_path / "log"
    with daemon("-c", config, log=log):
        wait_for(lambda: masks() != own_masks, log)
        moved = next(number for number, mask in masks().items() if mask != own_masks[number])
        told = irqbal("explain", "-c", config, f"IRQ {moved}").stdout
        assert re.search(r"plan +of cycle \d+, ", told), told
        anew = irqbal("explain", "-c", config, "--now", str(moved)).stdout
        assert "of cycle" not in anew
        slip = irqbal("explain", "-c", config, "eth-no-such", check=None)
        assert slip.returncode and "there is no IRQ 'eth-no-such'" in slip.stderr


def test_drift_is_put_back_and_after_three_times_given_up(tmp_path: Path) -> None:
    number = machine.movable()[-1]
    target, other = str(_last_cpu()), "0"
    config = _pin(tmp_path, f"{{irq: '{number}', cpus: '{target}'}}")
    log = tmp_path / "log"
    with daemon("-c", config, log=log):
        for _ in range(2):
            wait_for(lambda: masks()[number] == target, log)
            time.sleep(0.1)
            Path(f"/proc/irq/{number}/smp_affinity_list").write_text(other)
        wait_for(lambda: masks()[number] == target, log)
        # The mask is written before the log is.
        wait_for(lambda: log.read_text().count("drift: another program set") == 2, log)
        Path(f"/proc/irq/{number}/smp_affinity_list").write_text(other)
        wait_for(lambda: "leaves it alone" in log.read_text(), log)
        time.sleep(1.0)
        assert masks()[number] == other, "given up: no fight"


def test_sighup_reloads_and_a_bad_file_keeps_the_old(
    tmp_path: Path, own_masks: dict[int, str]
) -> None:
    first, second = machine.movable()[:2]
    cpu = str(_last_cpu())
    config = Path(_pin(tmp_path, f"{{irq: '{first}', cpus: '{cpu}'}}"))
    log = tmp_path / "log"
    with daemon("-c", str(config), log=log) as process:
        wait_for(lambda: masks()[first] == cpu, log)
        config.write_text("intervall: 3\n")
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "the old one goes on" in log.read_text(), log)
        assert f"{config}:1: intervall: unknown key; did you mean interval?" in log.read_text()
        _pin(tmp_path, f"{{irq: '{second}', cpus: '{cpu}'}}")
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: masks()[second] == cpu, log)


def test_only_one_daemon_a_host_but_dry_runs_are_free(tmp_path: Path) -> None:
    config = _pin(tmp_path, "")
    with daemon("-c", config, log=tmp_path / "log") as process:
        done = irqbal("daemon", "-c", config, check=4)
        assert f"pid {process.pid}" in done.stderr and "--dry-run" in done.stderr
        assert irqbal("apply", "-c", config, check=4).stderr
        with daemon("-c", config, "--dry-run", log=tmp_path / "dry"):
            pass


def test_systemd_is_told(tmp_path: Path) -> None:
    import socket

    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(address))
        sock.settimeout(machine.WAIT)
        env = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "600000"}
        said = ""
        with daemon("-c", _pin(tmp_path, ""), log=tmp_path / "log", env=env) as process:
            while "READY=1" not in said or "WATCHDOG=1" not in said:
                said += sock.recv(4096).decode() + "\n"
            process.send_signal(signal.SIGHUP)
            while "RELOADING=1\nMONOTONIC_USEC=" not in said or not said.rstrip().rpartition(
                "RELOADING"
            )[2].count("READY=1"):
                said += sock.recv(4096).decode() + "\n"
            process.send_signal(signal.SIGTERM)
            while "STOPPING=1" not in said:
                said += sock.recv(4096).decode() + "\n"


def test_a_running_irqbalance_is_refused_with_a_sentence(tmp_path: Path) -> None:
    config = _pin(tmp_path, "")
    banned = ",".join(str(cpu) for cpu in range(_last_cpu() + 1))
    process = subprocess.Popen(
        ["irqbalance", "--foreground", "--interval", "600"],
        env={**os.environ, "IRQBALANCE_BANNED_CPULIST": banned},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: Path(f"/proc/{process.pid}/comm").read_text().strip() == "irqbalance")
        done = irqbal("daemon", "-c", config, check=4)
        assert "irqbalance is running" in done.stderr and "--force" in done.stderr
        with daemon("-c", config, "--force", log=tmp_path / "log"):
            pass
        done = irqbal("verify", "-c", config, "--seconds", "0.1", check=1)
        assert "writer: irqbalance is running" in done.stdout
    finally:
        process.terminate()
        process.wait(10)
