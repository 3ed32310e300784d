"""Vagrant itself reads the Vagrantfile, for both of the providers that it has a section for."""

from __future__ import annotations

import shutil

import pytest

from long.bare import TOP, Bare

pytestmark = [pytest.mark.root("mounts a Debian of its own"), pytest.mark.timeout(1800)]

VIRTUALBOX = (
    '#!/bin/sh\n# All that Vagrant asks before it reads the provider\'s settings.\n[ "$*" '
    "!= --version ] || echo 7.0.20r163906\n"
)
"""VirtualBox is not in Debian, and its kernel module has no place in a test: Vagrant only needs to
see its version.
"""


def test_both_providers_take_the_file(bare: Bare) -> None:
    bare.install("vagrant", "vagrant-libvirt")
    program = bare.root / "usr/local/bin/VBoxManage"
    program.write_text(VIRTUALBOX)
    program.chmod(0o755)
    place = bare.root / "srv/irqbal"
    place.mkdir()
    (place / "etc").mkdir()
    shutil.copy(TOP / "etc/provision.sh", place / "etc")
    text = (TOP / "Vagrantfile").read_text()

    def validate(provider: str, changed: str, check: int, mongodb: str = "") -> str:
        (place / "Vagrantfile").write_text(changed)
        return bare.run(
            "cd /srv/irqbal && vagrant validate",
            check=check,
            VAGRANT_DEFAULT_PROVIDER=provider,
            IRQBAL_MONGODB=mongodb,
        )

    for provider in ("libvirt", "virtualbox"):
        assert "validated successfully" in validate(provider, text, 0)
        assert "validated successfully" in validate(provider, text, 0, mongodb="1")
        # Each provider's section is really looked at.
        wrong = text.replace(f"{provider}.memory = memory", f"{provider}.memry = memory")
        assert wrong != text and "memry" in validate(provider, wrong, 1)
    missing = text.replace("etc/provision.sh", "etc/nowhere.sh")
    assert missing != text and "nowhere.sh" in validate("libvirt", missing, 1)
