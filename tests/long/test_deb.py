"""The Debian package, built, judged by lintian, and installed on a copy of this host that is thrown
away: an overlay over /, in namespaces.

Whether systemd runs is said by a folder in /run; `systemctl` is a script there that writes down how
it was called.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from long.bare import Bare

pytestmark = [pytest.mark.root("mounts a Debian of its own"), pytest.mark.timeout(900)]

TOP = Path(__file__).parents[2]
DEB = TOP / "packaging/deb"
VERSION = re.findall(r'^version = "(.*)"$', (TOP / "pyproject.toml").read_text(), re.M)[0]
OTHERS = re.compile(
    r"/(var/lib/dpkg|var/log|var/cache|tmp|var/lib/apt)/|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|/etc/\.pwd\.lock$"
)
"""What dpkg and sysusers keep for themselves."""


def run(*words: str | Path, check: int = 0, cwd: Path | None = None) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd, timeout=600)
    assert done.returncode == check, (words, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, from a copy of the source, as `make deb` makes it."""
    return build(TOP, tmp_path_factory.mktemp("deb") / "irqbal")


def build(origin: Path, source: Path) -> Path:
    left_out = shutil.ignore_patterns(
        "__pycache__", ".*", "*.egg-info", "build", "dist", "tests", "screenshots"
    )
    shutil.copytree(origin, source, ignore=left_out)
    printed = run("make", "--silent", "deb", cwd=source).strip()
    assert re.fullmatch(rf"dist/irqbal_{re.escape(VERSION)}-\d+_[a-z0-9]+\.deb", printed)
    assert not [
        path
        for path in source.iterdir()
        if path.name not in {*(item.name for item in TOP.iterdir()), "dist"}
    ]
    return source / printed


def test_the_same_source_makes_the_same_package_elsewhere(deb: Path, tmp_path: Path) -> None:
    again = build(deb.parents[1], tmp_path / "a-much-longer-path" / "elsewhere")
    assert run("sha256sum", again).split()[0] == run("sha256sum", deb).split()[0]


def test_lintian_finds_no_error_and_every_override_is_needed(deb: Path, bare: Bare) -> None:
    bare.install("lintian")
    shutil.copy(deb, bare.root / "srv")
    said = bare.run(
        f"lintian --allow-root --fail-on error --tag-display-limit 0 --display-info /srv/{deb.name}"
    )
    assert not re.findall(r"^[EW]: .*", said, re.M)
    assert "unused-override" not in said and "mismatched-override" not in said


def test_the_scripts_are_well_formed() -> None:
    run("shellcheck", DEB / "build.sh", *(DEB / name for name in ("postinst", "prerm", "postrm")))


def test_the_package_says_what_it_is(deb: Path) -> None:
    def field(name: str) -> str:
        return run("dpkg-deb", "--field", deb, name).strip()

    assert (
        field("Version").startswith(f"{VERSION}-")
        and field("Architecture") == run("dpkg", "--print-architecture").strip()
    )
    assert "msgspec" in field("Description") and "pymongo" in field("Description")
    assert field("Conflicts") == "irqbalance"
    assert "python3 (<< " in field("Depends")


def test_everything_is_roots_and_nothing_names_the_folder_it_was_built_in(
    deb: Path, tmp_path: Path
) -> None:
    with (tmp_path / "data.tar").open("wb") as out:
        subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], stdout=out, check=True)
    with tarfile.open(tmp_path / "data.tar") as archive:
        members = archive.getmembers()
        assert {
            (member.uid, member.gid, member.mode & 0o7022)
            for member in members
            if not member.issym()
        } == {(0, 0, 0)}
        assert len({member.mtime for member in members}) == 1
        for member in members:
            assert "__pycache__" not in member.name
            if member.isfile() and (file := archive.extractfile(member)) is not None:
                text = file.read()
                assert str(deb.parent).encode() not in text and b"/tmp/tmp." not in text, (
                    member.name
                )
        names = {member.name.removeprefix(".") for member in members if not member.isdir()}
        unit = archive.extractfile("./lib/systemd/system/irqbal.service")
        assert unit is not None
        paths = re.findall(r"(/(?:usr|opt|etc)/\S+)", unit.read().decode())
    assert (
        {"/usr/lib/irqbal/bin/irqbal", "/usr/share/doc/irqbal/operating.md"} <= set(paths) <= names
    )
    assert {
        "/usr/bin/irqbal",
        "/usr/bin/irqbal-client",
        "/etc/irqbal.yaml",
        "/usr/lib/sysusers.d/irqbal.conf",
        "/usr/lib/tmpfiles.d/irqbal.conf",
        "/usr/share/man/man8/irqbal.8.gz",
        "/usr/share/man/man1/irqbal-client.1.gz",
        "/usr/share/man/man5/irqbal.yaml.5.gz",
        "/usr/share/bash-completion/completions/irqbal-client",
        "/usr/share/zsh/vendor-completions/_irqbal-client",
        "/usr/share/bash-completion/completions/irqbal",
        "/usr/share/zsh/vendor-completions/_irqbal",
        "/usr/share/fish/vendor_completions.d/irqbal-client.fish",
        "/usr/share/fish/vendor_completions.d/irqbal.fish",
        "/usr/share/doc/irqbal/copyright",
        "/usr/share/doc/irqbal/changelog.Debian.gz",
        "/usr/share/doc/irqbal/changelog.gz",
        "/usr/share/doc/irqbal/README.Debian",
    } <= names


SYSTEMCTL = """#!/bin/sh
# What only makes and takes links needs no systemd that runs.
case "$*" in *enable* | *disable* | *preset* | *mask*) SYSTEMD_OFFLINE=1 exec /usr/bin/systemctl "$@" ;; esac
echo systemctl "$@" >> /tmp/calls
"""  # noqa: E501
ROOT = """
set -eu
mount -t tmpfs tmpfs {base}
mkdir {base}/upper {base}/work {base}/root
mount -t overlay overlay -o lowerdir=/,upperdir={base}/upper,workdir={base}/work {base}/root
mount -t proc proc {base}/root/proc
mount -t sysfs -o ro sysfs {base}/root/sys
mount -t tmpfs tmpfs {base}/root/run
mount -t tmpfs tmpfs {base}/root/tmp
mount --rbind /dev {base}/root/dev
ip link set lo up
cp {deb} {base}/root/tmp/irqbal.deb
rm -f {base}/root/usr/sbin/policy-rc.d {base}/root/var/lib/man-db/auto-update
# What this very host has of irqbal is no part of it.
rm -rf {base}/root/var/lib/irqbal {base}/root/etc/irqbal.yaml
install -m 755 /dev/stdin {base}/root/usr/local/bin/systemctl
echo ready
exec sleep 600 < /dev/null
"""


MINE = r'''
d=/usr/local/lib/irqbal/irqbal_mine-1.dist-info
mkdir -p $d
printf 'Metadata-Version: 2.1\nName: irqbal-mine\nVersion: 1\n' > $d/METADATA
printf '[irqbal]\nmine = irqbal_mine\n' > $d/entry_points.txt
printf '"""Mine."""\nfrom irqbal import hookimpl\n@hookimpl\ndef irqbal_limit(snapshot):\n    return ()\n' > $d/../irqbal_mine.py
irqbal policies
rm -r /usr/local/lib/irqbal
'''  # noqa: E501


class DebianHost:
    """A copy of this host to install on: `sh` runs a script in it."""

    def __init__(self, base: Path, pid: int) -> None:
        self._base, self._pid = base, pid

    def sh(self, script: str, check: int | None = 0) -> str:
        """What it prints, both streams."""
        command = [
            "nsenter",
            f"--target={self._pid}",
            "--mount",
            "--net",
            "chroot",
            str(self._base / "root"),
            "sh",
            "-ec",
            script,
        ]
        path = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        env = {
            "PATH": path,
            "DEBIAN_FRONTEND": "noninteractive",
            "LC_ALL": "C.UTF-8",
            "HOME": "/root",
        }
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=env, timeout=300
        )
        assert check is None or done.returncode == check, (script, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def calls(self) -> list[str]:
        """How systemctl was called since the last question."""
        return self.sh("cat /tmp/calls 2>/dev/null || true; rm -f /tmp/calls").splitlines()

    def changed(self) -> set[str]:
        """Files and folders that are not as on the real host, but for what dpkg keeps; what was
        taken away counts, too.
        """
        upper = self._base / "upper"
        new = 'find . -type d -printf \'%P\\n\' | while read d; do [ -d "/$d" ] || echo "$d"; done'
        script = f"cd {upper}; find . ! -type d -printf '%P\\n'; {new}"
        found = run("nsenter", f"--target={self._pid}", "--mount", "sh", "-c", script)
        return {f"/{name}" for name in found.splitlines() if not OTHERS.search(f"/{name}")}


@pytest.fixture
def host(deb: Path, tmp_path: Path) -> Iterator[DebianHost]:
    base = tmp_path / "base"
    base.mkdir()
    process = subprocess.Popen(
        ["unshare", "--mount", "--net", "sh", "-c", ROOT.format(base=base, deb=deb)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    with process:
        try:
            process.stdin.write(SYSTEMCTL)
            process.stdin.close()
            assert process.stdout.readline() == "ready\n"
            yield DebianHost(base, process.pid)
        finally:
            process.kill()


def test_it_is_installed_used_upgraded_removed_and_purged_without_systemd(host: DebianHost) -> None:
    assert "conflict" in host.sh("dpkg -i /tmp/irqbal.deb", check=1) and "irqbalance" in host.sh(
        "dpkg -s irqbalance"
    )
    host.sh("dpkg --purge irqbal irqbalance 2>&1 | cat")
    before = host.changed()
    host.sh("dpkg -i /tmp/irqbal.deb")
    assert VERSION in host.sh("irqbal --version") and VERSION in host.sh("irqbal-client --version")
    assert "usr/share/man/man8/irqbal.8.gz" in host.sh("man -w irqbal")
    assert "usr/share/man/man5" in host.sh("man -w irqbal.yaml")
    host.sh(
        "irqbal check -c /etc/irqbal.yaml; getent group irqbal; getent passwd irqbal-policy; test "
        "-d /var/lib/irqbal"
    )
    assert host.sh("find /usr/lib/irqbal -name '*.pyc' | head -n 1")
    assert "spread_by_rate" in host.sh("irqbal policies --doctor")
    for name in ("irqbal", "irqbal-client"):
        host.sh(f"bash -c '. /usr/share/bash-completion/completions/{name}; complete -p {name}'")
    # A policy beside the package.
    said = host.sh(MINE)
    assert "mine (irqbal-mine 1)" in said and "Mine." in said
    # The whole daemon with the installed configuration, and the client that asks it.
    said = host.sh(
        "irqbal daemon --simulate 2x4,nodes=2,nic=4x2,traffic=skewed -c /etc/irqbal.yaml >/tmp/log "
        "2>&1 & pid=$!\n"
        "trap 'kill $pid; wait $pid; rm -rf /tmp/status /tmp/log' EXIT\n"
        "for try in $(seq 100); do irqbal-client localhost 8080 status >/tmp/status 2>&1 && break; "
        "sleep 0.1; done\n"
        "sleep 3; irqbal-client localhost 8080 irqs; cat /tmp/status /tmp/log"
    )
    assert "spread_by_rate" in said and "Traceback" not in said
    # The same again, as an upgrade: a configuration that was changed stays.
    host.sh(
        "echo '# mine' >> /etc/irqbal.yaml; touch /var/lib/irqbal/history.sqlite; dpkg -i "
        "/tmp/irqbal.deb"
    )
    assert "# mine" in host.sh("tail -n 1 /etc/irqbal.yaml")
    host.sh("dpkg --remove irqbal")
    # Until it is purged or comes back the service is masked and enabled: links below /etc, as
    # Debian's packages have it.
    left = (
        host.changed()
        - before
        - {
            "/etc/systemd/system/irqbal.service",
            "/etc/systemd/system/multi-user.target.wants/irqbal.service",
        }
    )
    assert {
        name for name in left if not name.startswith(("/var/lib/irqbal", "/var/lib/systemd"))
    } == {"/etc/irqbal.yaml"}
    assert (
        host.sh("cat /var/lib/irqbal/history.sqlite; ls /usr/lib/irqbal 2>&1 || true")
        .strip()
        .endswith("No such file or directory")
    )
    host.sh("dpkg --purge irqbal")
    assert host.changed() - before == set()
    assert host.calls() == [], "systemd was spoken to, though it does not run"


def test_where_systemd_runs_the_service_is_enabled_started_stopped_and_originals_go_back(
    host: DebianHost,
) -> None:
    host.sh("dpkg --purge irqbalance; mkdir -p /run/systemd/system")
    before = host.changed()
    host.sh("dpkg -i /tmp/irqbal.deb")
    calls = host.calls()
    assert [
        call for call in calls if "irqbal.service" in call and " start" in call
    ] and "systemctl --system daemon-reload" in calls
    link = "/etc/systemd/system/multi-user.target.wants/irqbal.service"
    assert host.sh(f"readlink {link}").strip().endswith("/lib/systemd/system/irqbal.service")
    host.sh("dpkg -i /tmp/irqbal.deb")
    assert [call for call in host.calls() if "irqbal.service" in call and " restart" in call]
    # Who disables it keeps it so over an upgrade.
    host.sh(f"rm {link}; dpkg -i /tmp/irqbal.deb; test ! -e {link}")
    host.calls()
    # `restore` runs, has nothing to do, and the removal goes on.
    said = host.sh("mkdir -p /run/irqbal; : > /run/irqbal/originals.jsonl; dpkg --purge irqbal")
    assert "Nothing to restore" in said
    assert [call for call in host.calls() if "irqbal.service" in call and " stop" in call]
    assert host.changed() - before == set()
    host.sh(f"test ! -L {link}; test ! -e /run/irqbal; test ! -e /var/lib/irqbal")
