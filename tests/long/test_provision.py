"""`etc/provision.sh` on a bare Debian that systemd runs, as in the machine that the Vagrantfile
describes; MongoDB's packages are not Debian's, and are left out.
"""

from __future__ import annotations

import time
import urllib.request

import pytest

import machine
from long.bare import Bare

pytestmark = [pytest.mark.root("mounts a Debian of its own"), pytest.mark.timeout(1800)]

SOURCE = "/vagrant"


def test_a_machine_is_provisioned_twice_and_cleared(bare: Bare) -> None:
    before = machine.masks()
    bare.install("systemd", "systemd-sysv", "dbus", "procps", "iproute2")
    bare.copy_source(SOURCE)
    bare.run("useradd --create-home vagrant")
    try:
        with bare.booted():
            said = bare.run(f"sh {SOURCE}/etc/provision.sh")
            assert "irqbal runs:" in said and "http://127.0.0.1:8080 on the host" in said
            assert bare.run("systemctl is-active irqbal") == "active\n"
            assert "irqbal" in bare.run("id -nG vagrant").split()
            with urllib.request.urlopen("http://127.0.0.1:8080/readyz", timeout=10) as answer:
                assert answer.status == 200
            # What the last line tells a person to try; `verify` may have found something.
            assert "CPU" in bare.run("irqbal topology") and bare.run("irqbal verify || [ $? = 1 ]")
            config = bare.run("echo '# mine' >>/etc/irqbal.yaml; cat /etc/irqbal.yaml")
            assert "insecure: true" in config

            bare.run(f"sh {SOURCE}/etc/provision.sh {SOURCE}")
            assert bare.run("cat /etc/irqbal.yaml") == config
            time.sleep(3)
            assert (
                bare.run("systemctl is-active irqbal; systemctl show -P NRestarts irqbal")
                == "active\n0\n"
            )
            assert not bare.run("journalctl -u irqbal -p err -q --no-pager -o cat")

            bare.run(f"sh {SOURCE}/etc/setup_service.sh --remove --purge")
            assert machine.masks() == before
            assert not bare.run(
                "ls -d /opt/irqbal /etc/irqbal.yaml /var/lib/irqbal 2>/dev/null || true"
            )
    finally:
        machine.put_back(before)
