"""`irqbal switch` under a real systemd: confirmed, not confirmed, killed at any moment, and found
by the next boot. Afterwards one balancer starts at boot.

The tests are one machine's life, in this order.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from long.test_systemd_vm import Service
from long.test_systemd_vm import service as service
from vm.guest import state

pytestmark = [pytest.mark.vm, pytest.mark.timeout(3600)]

IRQBAL = "/opt/irqbal/bin/irqbal"
UNITS = ("irqbalance.service", "irqbal.service")
BOTH = " ".join(UNITS)


SAID = (
    "systemctl status irqbal-switch irqbal-switch-run irqbal irqbalance --no-pager -l -n 30; "
    "journalctl -q -o short-monotonic -n 60 --no-pager; true"
)
"""What systemd knows of a switch that is not over."""


def enabled(service: Service) -> list[str]:
    """The balancers that start at boot."""
    return [
        unit for unit in UNITS if service.vm.run(f"systemctl is-enabled {unit}").returncode == 0
    ]


def active(service: Service) -> list[str]:
    """The balancers that run."""
    return [unit for unit in UNITS if service.vm.run(f"systemctl is-active {unit}").returncode == 0]


def phase(service: Service) -> dict[str, Any]:
    """The record of the switch."""
    # A switch that has not yet looked for long enough has stored nothing.
    text = service.sh('cat /var/lib/irqbal/switch.json 2>/dev/null || echo \'{"phase": ""}\'')
    found: dict[str, Any] = json.loads(text)
    return found


def with_irqbalance(service: Service) -> dict[str, str]:
    """The host as somebody who runs irqbalance has it. Returns the masks."""
    service.vm.run(f"systemctl disable --now irqbal; {IRQBAL} restore; true")
    service.sh(
        "rm -f /etc/irqbal.yaml; printf 'IRQBALANCE_BANNED_CPULIST=3\\n' > /etc/default/irqbalance"
    )
    service.sh("systemctl enable --now irqbalance; sleep 2")
    assert enabled(service) == active(service) == ["irqbalance.service"]
    return state(service.vm).masks


def wait(service: Service, wanted: set[str], seconds: float = 400) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while (found := phase(service))["phase"] not in wanted:
        assert time.monotonic() < end, (found, service.sh(SAID))
        time.sleep(1)
    return found


def nothing_is_left(service: Service) -> None:
    assert service.vm.run("test -e /etc/systemd/system/irqbal-switch.service").returncode
    assert service.vm.run("systemctl is-active irqbal-switch-run").returncode


def test_confirmed_beforehand_irqbal_stays_with_the_converted_configuration(
    service: Service,
) -> None:
    with_irqbalance(service)
    done = service.vm.run(f"{IRQBAL} switch --watch 20s --yes < /dev/null 2>&1", timeout=900)
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    assert "irqbalance, 2" in done.stdout and "moves an hour" in done.stdout
    assert "irqbal would make" in done.stdout and "irqbal stays" in done.stdout
    assert enabled(service) == active(service) == ["irqbal.service"]
    assert "banned_cpus: 3" in service.sh("cat /etc/irqbal.yaml").replace('"', "")
    nothing_is_left(service)


def test_back_by_hand_restores_units_file_and_masks(service: Service) -> None:
    masks = phase(service)["masks"]
    done = service.vm.run(f"{IRQBAL} switch --back 2>&1; cat /etc/irqbal.yaml 2>&1", timeout=300)
    assert "Back at irqbalance" in done.stdout and "No such file" in done.stdout, done.stdout
    assert enabled(service) == active(service) == ["irqbalance.service"]
    assert masks
    nothing_is_left(service)


def test_not_confirmed_it_goes_back_by_itself(service: Service) -> None:
    with_irqbalance(service)
    done = service.vm.run(
        f"{IRQBAL} switch --watch 5s --confirm-within 20 < /dev/null 2>&1", timeout=900
    )
    assert done.returncode == 1 and "nobody confirmed" in done.stdout, done.stdout
    assert enabled(service) == active(service) == ["irqbalance.service"]
    nothing_is_left(service)


def test_confirmed_from_another_terminal_it_stays(service: Service) -> None:
    with_irqbalance(service)
    service.sh(
        f"{IRQBAL} switch --watch 5s --confirm-within 300 < /dev/null > /run/switch.log 2>&1 & true"
    )
    wait(service, {"watching"})
    shown = service.sh("systemctl show irqbal-switch-run -p TimeoutStopUSec --value")
    assert shown.strip() == "30min"
    service.sh(f"{IRQBAL} switch --keep < /dev/null", 600)
    assert wait(service, {"confirmed"})["phase"] == "confirmed"
    assert enabled(service) == ["irqbal.service"]
    service.sh(f"{IRQBAL} switch --back", 300)


@pytest.mark.parametrize("seconds", [0.5, 2, 4, 7, 11, 16, 25])
def test_killed_at_any_moment_exactly_one_is_left(service: Service, seconds: float) -> None:
    with_irqbalance(service)
    service.sh(
        f"{IRQBAL} switch --watch 5s --confirm-within 300 < /dev/null > /run/switch.log 2>&1 & "
        "for i in $(seq 600); do systemctl is-active -q irqbal-switch-run && break; sleep 0.1; "
        f"done; sleep {seconds}; systemctl kill -s KILL --kill-who=main irqbal-switch-run; true",
        600,
    )
    found = wait(service, {"back", "confirmed"})
    service.until(lambda: service.vm.run("systemctl is-active irqbal-switch-run").returncode != 0)
    assert found["phase"] == "back"
    assert enabled(service) == ["irqbalance.service"]
    service.until(lambda: active(service) == ["irqbalance.service"])
    nothing_is_left(service)


@pytest.mark.parametrize("seconds", [2, 6, 12, 20])
def test_a_power_cut_at_any_moment_is_finished_by_the_next_boot(
    service: Service, seconds: float
) -> None:
    """The machine's root is in memory, so that no real power cut is survived: what boot does is
    done, which starts what is wanted by multi-user.target in the order of the units.
    """
    with_irqbalance(service)
    service.sh(
        f"{IRQBAL} switch --watch 5s --confirm-within 300 < /dev/null > /run/switch.log 2>&1 & "
        "for i in $(seq 600); do systemctl is-active -q irqbal-switch-run && break; sleep 0.1; "
        f"done; sleep {seconds}; mount --bind /bin/true /opt/irqbal/bin/python; "
        "systemctl kill -s KILL irqbal-switch-run; sleep 1; umount /opt/irqbal/bin/python; true",
        600,
    )
    before = phase(service)
    service.sh(f"systemctl stop {BOTH}; systemctl reset-failed; true", 300)
    service.sh("systemctl daemon-reload; systemctl start multi-user.target", 600)
    assert wait(service, {"back", "confirmed"})["phase"] == "back", before
    assert enabled(service) == ["irqbalance.service"]
    service.until(lambda: active(service) == ["irqbalance.service"])
    nothing_is_left(service)
