"""The Ansible role: its linter's judgement, and its work on a bare Debian, with systemd running and
without.

Ansible is in an environment of its own on that Debian, and works on it as `localhost`: nothing of
this machine is changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from long.bare import Bare, bare_debian

pytestmark = [pytest.mark.root("mounts a Debian of its own"), pytest.mark.timeout(3600)]

SOURCE = "/srv/irqbal"
ROLE = f"cd {SOURCE}/contrib/ansible; PATH=/srv/ansible/bin:$PATH;"
CONFIG = {"dry_run": True, "interval": "1s", "api": {"listen": ["unix:/run/irqbal/dry-run.sock"]}}
"""No mask of this machine is moved, and no port is taken; the standard socket is for daemons that
balance.
"""


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    """With systemd installed, the source, and Ansible. Each test leaves it as it was."""
    with bare_debian(tmp_path_factory) as bare:
        bare.install(
            "python3",
            "python3-venv",
            "ca-certificates",
            "systemd",
            "systemd-sysv",
            "dbus",
            "procps",
        )
        bare.copy_source(SOURCE)
        pip = "/srv/ansible/bin/pip install --quiet ansible-core ansible-lint"
        bare.run(
            f"python3 -m venv /srv/ansible; for try in 1 2 3; do {pip} && exit 0; sleep 5; done; "
            "exit 1"
        )
        yield bare


def play(bare: Bare, check: int = 0, **variables: object) -> tuple[int, str]:
    """Apply the role; how many tasks changed something, and all that was said."""
    words = f"ansible-playbook -i localhost, -c local site.yml -e '{json.dumps(variables)}'"
    said = bare.run(
        f"{ROLE} {words}", check=check, ANSIBLE_NOCOLOR="1", ANSIBLE_LOCALHOST_WARNING="0"
    )
    found = re.search(r"changed=(\d+)", said)
    assert found is not None, said
    return int(found[1]), said


def files(bare: Bare) -> set[str]:
    """What there is where programs, services and their data lie."""
    places = "/etc /opt /usr/local /var/lib/irqbal /root /tmp"
    return set(bare.run(f"find {places} -not -path '*/.ansible*' 2>/dev/null || true").splitlines())


def test_the_linter_finds_nothing(controlled: Bare) -> None:
    said = controlled.run(
        f"{ROLE} ansible-lint --offline --profile production --nocolor --strict", HOME="/tmp"
    )
    assert "0 failure(s), 0 warning(s)" in said
    tasks = controlled.root / f"{SOURCE[1:]}/contrib/ansible/roles/irqbal/tasks"
    (tasks / "wrong.yml").write_text("---\n- command: rm -f /nowhere\n")
    assert "fqcn" in controlled.run(
        f"{ROLE} ansible-lint --offline --profile production --nocolor", check=2, HOME="/tmp"
    )
    (tasks / "wrong.yml").unlink()


def test_with_systemd_it_is_installed_kept_upgraded_and_removed(controlled: Bare) -> None:
    bare = controlled
    with bare.booted():
        before = files(bare)
        changed, said = play(bare, irqbal_config=CONFIG)
        assert changed >= 3 and "does not run systemd" not in said
        assert (
            bare.run("systemctl is-active irqbal; systemctl is-enabled irqbal")
            == "active\nenabled\n"
        )
        status = bare.run("/usr/local/bin/irqbal-client unix:/run/irqbal/dry-run.sock - status")
        assert "dry run" in status
        pid = bare.run("systemctl show -P MainPID irqbal")

        # Nothing is done twice.
        assert play(bare, irqbal_config=CONFIG)[0] == 0
        assert bare.run("systemctl show -P MainPID irqbal") == pid

        # Somebody stopped it, and another configuration: both are made good.
        bare.run("systemctl stop irqbal")
        assert play(bare, irqbal_config=CONFIG)[0] == 1
        changed, _ = play(bare, irqbal_config={**CONFIG, "interval": "7s"})
        assert changed == 2, "the file, and the restart"
        assert "7s" in bare.run(
            "/usr/local/bin/irqbal-client unix:/run/irqbal/dry-run.sock - -o json status"
        )

        # Other hosts are let through, and no more; what a person wrote stays.
        drop_in = "/etc/systemd/system/irqbal.service.d/network.conf"
        assert (
            play(
                bare, irqbal_config={**CONFIG, "interval": "7s"}, irqbal_networks=["192.0.2.0/24"]
            )[0]
            >= 2
        )
        assert "192.0.2.0/24" in bare.run("systemctl show -P IPAddressAllow irqbal")
        assert play(bare, irqbal_config={**CONFIG, "interval": "7s"})[0] == 2
        assert "192.0.2.0/24" not in bare.run(
            f"test ! -e {drop_in}; systemctl show -P IPAddressAllow irqbal"
        )
        bare.run(f"printf '[Service]\\nIPAddressAllow=192.0.2.1\\n' > {drop_in}")
        assert play(bare, irqbal_config={**CONFIG, "interval": "7s"})[0] == 0
        bare.run(f"rm {drop_in}")

        # What irqbal refuses does not get there.
        _, said = play(bare, check=2, irqbal_config={**CONFIG, "intervall": "7s"})
        assert "intervall" in said and "intervall" not in bare.run("cat /etc/irqbal.yaml")

        # A newer source is installed, once.
        text = (bare.root / f"{SOURCE[1:]}/irqbal/__init__.py").read_text()
        (bare.root / f"{SOURCE[1:]}/irqbal/__init__.py").write_text(f"{text}\nNEWER = 1\n")
        assert play(bare)[0] >= 1
        bare.run(
            "cd /; /opt/irqbal/bin/python -c 'import irqbal; irqbal.NEWER'; systemctl is-active "
            "irqbal"
        )
        assert play(bare)[0] == 0

        assert play(bare, irqbal_state="absent", irqbal_purge=True)[0] >= 2
        assert bare.run("systemctl is-active irqbal", check=None).strip() == "inactive"
        assert play(bare, irqbal_state="absent", irqbal_purge=True)[0] == 0
        left = {
            name
            for name in files(bare) ^ before
            if not re.search(r"irqbal\.yaml\.\d+\..*~$|/(passwd|group|g?shadow)-?$", name)
        }
        # systemd's own folder for such files, which a small Debian lacks until somebody needs it.
        assert left <= {"/etc/sysusers.d"}


def test_without_systemd_all_but_the_service_is_done_and_that_is_said(controlled: Bare) -> None:
    bare = controlled
    before = files(bare)
    changed, said = play(bare, irqbal_config=CONFIG)
    assert changed >= 2 and "This host does not run systemd" in said
    assert "dry_run: true" in bare.run(
        "/opt/irqbal/bin/irqbal check -c /etc/irqbal.yaml; cat /etc/irqbal.yaml"
    )
    # What the message says does what it says.
    found = re.search(r"`(/opt/irqbal/bin/irqbal daemon -c /etc/irqbal.yaml)`", said)
    assert found is not None
    assert "ready: " in bare.run(f"timeout 8 {found[1]}", check=None)
    assert play(bare, irqbal_config=CONFIG)[0] == 0
    assert play(bare, irqbal_state="absent", irqbal_purge=True)[0] >= 2
    assert play(bare, irqbal_state="absent", irqbal_purge=True)[0] == 0
    left = {
        name for name in files(bare) ^ before if not re.search(r"irqbal\.yaml\.\d+\..*~$", name)
    }
    assert not left
