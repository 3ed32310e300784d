"""The service: its unit, how well it is confined, what it may do and needs, and how it is installed
and taken away again.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import machine
from activated import hosts
from installed import InstalledSite
from irqbal.api.requests import MOST_POLICIES
from irqbal.plugins.confinement import USERS
from irqbal.plugins.process import SOCKET_FOLDER_VARIABLE
from places import TOP

UNITS = TOP / "etc/systemd"
UNIT = UNITS / "irqbal.service"
SYSUSERS = TOP / "etc/sysusers.d/irqbal.conf"
EXPOSURES = {
    "irqbal.service": 2.0,
    "irqbal-planner@.service": 0.5,
    "irqbal-policies@.service": 0.5,
    "irqbal-observers@.service": 1.4,
}
"""What systemd 252 says of the units, at most; docs/security.md tells what the rest consists of."""
SPEC = "2x4,nodes=2,nic=4x2,traffic=skewed"


def run(*words: str | Path, check: int = 0, env: dict[str, str] | None = None) -> str:
    """Output of a command that must end with this status."""
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        env=None if env is None else {**os.environ, **env},
    )
    assert done.returncode == check, (words, done.stdout, done.stderr)
    return done.stdout + done.stderr


def settings(name: str, unit: Path = UNIT) -> list[str]:
    """The values of a setting of the unit, in order."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.M)


def exposure(unit: Path) -> float:
    """systemd's judgement: 0 is shut, 10 is open."""
    text = run("systemd-analyze", "security", "--offline=true", "--threshold=100", unit)
    found = re.search(r"Overall exposure level for \S+ (\d+\.\d)", text)
    assert found is not None, text
    return float(found[1])


def test_systemd_has_nothing_against_the_units(tmp_path: Path) -> None:
    for name in ("irqbal", "python3"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    units = []
    for path in sorted(UNITS.iterdir()):
        # `verify` wants an instance where systemd would make one.
        units.append(tmp_path / path.name.replace("@.", "@1."))
        (tmp_path / path.name).write_text(
            path.read_text().replace("/opt/irqbal/bin", str(tmp_path))
        )
    assert len(units) == 8
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, units)],
        capture_output=True,
        text=True,
        check=False,
    )
    # PrivatePIDs= came with systemd 257, and older ones say so.
    lines = (done.stdout + done.stderr).splitlines()
    known = [line for line in lines if "Unknown key 'PrivatePIDs'" in line]
    assert not [line for line in lines if "irqbal" in line and line not in known], lines


def test_the_units_are_as_well_confined_as_the_documents_say() -> None:
    text = (TOP / "docs/security.md").read_text()
    other = exposure(Path("/lib/systemd/system/irqbalance.service"))
    assert f"| irqbalance.service (Debian 12, 1.9.2) | {other:.1f} |" in text
    for name, most in EXPOSURES.items():
        ours = exposure(UNITS / name)
        assert ours <= most < other
        assert f"| {name} | {ours:.1f} |" in text


@pytest.mark.parametrize(
    ("kind", "user"),
    [
        ("planner", "irqbal-planner"),
        ("policies", "irqbal-policy"),
        ("observers", "irqbal-observer"),
    ],
)
def test_what_starts_policy_hosts_is_root_s_and_comes_and_goes_with_the_daemon(
    kind: str, user: str
) -> None:
    socket, service = UNITS / f"irqbal-{kind}.socket", UNITS / f"irqbal-{kind}@.service"
    folder = settings("Environment")[0].removeprefix(f"{SOCKET_FOLDER_VARIABLE}=")
    assert settings("ListenStream", socket) == [f"{folder}/{kind}"]
    assert settings("SocketMode", socket) == ["0600"] and settings("PartOf", socket) == [
        "irqbal.service"
    ]
    assert socket.name in settings("Requires")[0] and socket.name in " ".join(settings("After"))
    assert settings("ExecStart", service)[0].endswith(f"-m irqbal.plugins.policy_host 0 {kind}")
    # With After= each would wait for the other: the daemon is not ready before its policies are.
    assert settings("After", service) == [] and settings("BindsTo", service) == ["irqbal.service"]
    assert settings("CapabilityBoundingSet", service) == [""] and settings("User", service) == [
        user
    ]
    assert USERS[kind][0] == user and f"u     {user} " in SYSUSERS.read_text()
    assert settings("Slice", service) == ["irqbal-hosts.slice"]
    assert (UNITS / "irqbal-hosts.slice").exists()


def test_there_are_connections_for_every_distribution_and_for_what_ifs() -> None:
    """Each entry may be another distribution's: those that run, those of a reload, and those of a
    what-if plan.
    """
    (policies,) = settings("MaxConnections", UNITS / "irqbal-policies.socket")
    assert int(policies) > 2 * MOST_POLICIES
    (planner,) = settings("MaxConnections", UNITS / "irqbal-planner.socket")
    assert int(planner) >= 8


def test_what_keeps_the_daemon_from_its_work_is_not_set() -> None:
    text = UNIT.read_text()
    assert settings("ReadWritePaths") == ["/sys/devices -/sys/kernel/tracing"]
    for name in (
        "ProtectKernelTunables",
        "ProtectProc",
        "ProcSubset",
        "PrivateUsers",
        "PrivateNetwork",
        "User=[^r]",
    ):
        assert not re.search(rf"^{name}", text, re.M), name
    assert settings("Type") == ["notify"] and settings("RuntimeDirectoryPreserve") == ["yes"]


def allowed_calls() -> set[str]:
    """The system calls that the unit leaves, its sets looked up as systemd knows them."""
    sets: dict[str, list[str]] = {}
    for line in run("systemd-analyze", "syscall-filter").splitlines():
        if line.startswith("@"):
            sets[line.strip()] = []
        elif line.startswith("    ") and sets and not line.strip().startswith("#"):
            list(sets.values())[-1].append(line.strip())

    def expand(name: str) -> set[str]:
        if not name.startswith("@"):
            return {name}
        return set().union(*(expand(item) for item in sets[name]))

    found: set[str] = set()
    for value in settings("SystemCallFilter"):
        named = set().union(*(expand(name) for name in value.lstrip("~").split()))
        # As systemd.exec(5) says: @default cannot be taken away.
        found = found - (named - expand("@default")) if value.startswith("~") else found | named
    return found | expand("@default")


REFUSED_AND_DONE_WITHOUT = {"chown", "fchown", "fchownat", "adjtimex", "clock_adjtime"}
"""What the daemon tries, and goes on without: the socket's group (who may do what is decided by the
caller's credentials), SQLite's wish to give its files the database's owner, and the question
whether the clock is synchronised.
"""


def test_the_daemon_makes_no_call_that_the_unit_forbids(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    config = tmp_path / "irqbal.yaml"
    config.write_text(
        f"state_dir: {tmp_path / 'state'}\ninterval: 200ms\nhistory: {{every: 200ms}}\napi: "
        f"{{listen: []}}\n"
    )
    tracer = ("strace", "-f", "-o", str(trace), "--seccomp-bpf", "-e", "trace=all", machine.IRQBAL)
    with (
        hosts(tmp_path / "hosts") as folder,
        machine.daemon(
            "--simulate",
            SPEC,
            "-c",
            str(config),
            log=tmp_path / "log",
            command=tracer,
            env={SOCKET_FOLDER_VARIABLE: str(folder)},
        ) as process,
    ):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        machine.wait_for((tmp_path / "state/history.sqlite").exists, tmp_path / "log")
        for pid in children.read_text().split():
            os.kill(int(pid), 15)
        process.wait(20)
    text = trace.read_text(errors="replace")
    calls = set(re.findall(r"^\d+ +(?:<\.\.\. )?([a-z0-9_]+)[( ]", text, re.M))
    assert {"openat", "connect", "pidfd_open", "socket"} <= calls
    assert not calls - allowed_calls() - REFUSED_AND_DONE_WITHOUT
    # MemoryDenyWriteExecute=
    assert not re.findall(r"mmap\(.*PROT_WRITE\|PROT_EXEC.*|mprotect\(.*PROT_EXEC.*", text)
    families = set(re.findall(r"socket\((AF_\w+)", text))
    assert families <= set(settings("RestrictAddressFamilies")[0].split())


def test_the_unit_s_capabilities_are_enough_for_a_daemon_whose_policies_systemd_runs(
    tmp_path: Path,
) -> None:
    """Root without root's powers. Here no systemd can end the one that hangs: it is left behind,
    and said.
    """
    hang = "import os\n@hookimpl\ndef irqbal_place(snapshot):\n    while True:\n        pass\n"
    site = InstalledSite(tmp_path / "site").install("hang", hang)
    keep = ",".join(
        f"+{name.removeprefix('CAP_').lower()}"
        for name in settings("CapabilityBoundingSet")[0].split()
    )
    config = tmp_path / "irqbal.yaml"
    config.write_text(
        f"state_dir: {tmp_path / 'state'}\ninterval: 200ms\napi: {{listen: []}}\npolicies: [hang, "
        "spread_by_rate]\n"
    )
    tmp_path.chmod(0o755)
    command = (
        "setpriv",
        "--inh-caps=-all",
        f"--bounding-set=-all,{keep}",
        "--no-new-privs",
        str(site.python),
        "-m",
        "irqbal",
    )
    log = tmp_path / "log"
    with (
        hosts(tmp_path / "hosts", site.python) as folder,
        machine.daemon(
            "--simulate",
            SPEC,
            "-c",
            str(config),
            log=log,
            command=command,
            env={SOCKET_FOLDER_VARIABLE: str(folder)},
        ) as process,
    ):
        machine.wait_for(
            lambda: "the policy hang of irqbal-hang 0.1 failed (deadline)" in log.read_text(), log
        )
        machine.wait_for(lambda: "moved" in log.read_text(), log)
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert not Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    # CAP_NET_ADMIN 12
    assert "CapEff:\t0000000000001000" in status
    assert re.search(
        r"a policy host \(process \d+, of no unit\) is stuck and could not be ended; irqbal starts "
        r"another",
        log.read_text(),
    )


def test_sysusers_and_tmpfiles_make_what_the_daemon_looks_for(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", f"--root={tmp_path}", TOP / "etc/sysusers.d/irqbal.conf")
    assert re.search(r"^irqbal:", (tmp_path / "etc/group").read_text(), re.M)
    for user in ("irqbal-planner", "irqbal-policy", "irqbal-observer"):
        assert re.search(rf"^{user}:.*nologin$", (tmp_path / "etc/passwd").read_text(), re.M)
    for name, line in (("passwd", "root:x:0:0::/:/bin/sh\n"), ("group", "root:x:0:\n")):
        path = tmp_path / "etc" / name
        path.write_text(line + path.read_text())
    run("systemd-tmpfiles", "--create", f"--root={tmp_path}", TOP / "etc/tmpfiles.d/irqbal.conf")
    assert (tmp_path / "run/irqbal").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "var/lib/irqbal").stat().st_mode & 0o777 == 0o700


def test_the_scripts_and_the_vagrantfile_are_well_formed() -> None:
    run("shellcheck", TOP / "etc/setup_service.sh", TOP / "etc/provision.sh")
    run("ruby", "-c", TOP / "Vagrantfile")


def test_the_alerts_do_as_they_say() -> None:
    folder = TOP / "contrib/prometheus"
    run("promtool", "check", "rules", folder / "irqbal.rules.yml")
    run("promtool", "test", "rules", folder / "irqbal.test.yml")


def test_the_alerts_ask_for_metrics_that_there_are() -> None:
    from irqbal.api.metrics import families
    from irqbal.central.fleet import FAMILIES

    known = {name for name, _, _ in families()} | set(FAMILIES)
    for name in ("irqbal.rules.yml", "irqbal.test.yml"):
        text = (TOP / "contrib/prometheus" / name).read_text()
        assert set(re.findall(r"\birqbal_\w+", text)) <= known


FAKE_PYTHON = f"""#!/bin/sh
[ "$1 $2" = "-m venv" ] || exec {sys.executable} "$@"
shift 2
{sys.executable} -m venv --without-pip "$@" || exit
printf '#!/bin/sh\\nexec "${{0%%/*}}/python" -m pip "$@"\\n' > "$1/bin/pip"
chmod +x "$1/bin/pip"
for folder in "$1"/lib/python3*/site-packages; do
    echo "import site; site.addsitedir({sysconfig.get_path("purelib")!r})" > "$folder/test-base.pth"
done
"""
OFFLINE = {
    "PIP_NO_INDEX": "1",
    "PIP_NO_DEPS": "1",
    "PIP_NO_BUILD_ISOLATION": "0",
    "PIP_NO_COMPILE": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


@pytest.fixture
def fakes(tmp_path: Path) -> Path:
    """A folder for PATH: a Python whose environments have irqbal's dependencies already, and
    programs that only write down their words.
    """
    folder = tmp_path / "fakes"
    folder.mkdir()
    (folder / "python3").write_text(FAKE_PYTHON)
    for name in (
        "systemctl",
        "apt-get",
        "curl",
        "gpg",
        "systemd-sysusers",
        "systemd-tmpfiles",
        "usermod",
    ):
        text = f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/calls\n'
        (folder / name).write_text(
            text + ('case "$*" in *irqbalance*) exit 1 ;; esac\n' if name == "systemctl" else "")
        )
    for program in folder.iterdir():
        program.chmod(0o755)
    return folder


def source(folder: Path) -> Path:
    """irqbal's source without what tests and builds leave, since pip builds where the source is."""
    copy = folder / "source"
    for name in ("irqbal", "policies", "etc", "docs"):
        shutil.copytree(
            TOP / name,
            copy / name,
            ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "screenshots"),
        )
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(TOP / name, copy / name)
    return copy


def tree(folder: Path) -> set[str]:
    """Files of a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_installing_below_a_folder_touches_nothing_else(tmp_path: Path, fakes: Path) -> None:
    script = source(tmp_path) / "etc/setup_service.sh"
    root = tmp_path / "root"
    env = {**OFFLINE, "DESTDIR": str(root), "PATH": f"{fakes}:{os.environ['PATH']}"}
    assert "nothing was started" in run("sh", script, "--prefix", "/srv/irqbal", env=env)
    assert not (tmp_path / "calls").exists()
    unit = root / "etc/systemd/system/irqbal.service"
    assert "ExecStart=/srv/irqbal/bin/irqbal daemon -c /etc/irqbal.yaml" in unit.read_text()
    host = root / "etc/systemd/system/irqbal-policies@.service"
    assert (
        "ExecStart=/srv/irqbal/bin/python3 -I -m irqbal.plugins.policy_host 0 policies"
        in host.read_text()
    )
    assert (root / "usr/local/bin/irqbal").readlink() == Path("/srv/irqbal/bin/irqbal")
    assert (root / "srv/irqbal/bin/irqbal").read_text().startswith("#!/srv/irqbal/bin/python")
    config = root / "etc/irqbal.yaml"
    assert config.read_text() == (TOP / "etc/irqbal.yaml").read_text()
    config.write_text("interval: 3s\n")
    # Neither a newer version nor the end has to be told where it is.
    run("sh", script, env=env)
    assert "ExecStart=/srv/irqbal/bin/irqbal" in unit.read_text() and not (root / "opt").exists()
    run("sh", script, "--remove", env=env)
    assert tree(root) == {"etc/irqbal.yaml"}
    assert config.read_text() == "interval: 3s\n"
    run("sh", script, "--remove", "--purge", "--prefix", "/srv/irqbal", env=env)
    assert not tree(root)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--prefix", "/home/me/irqbal"), "cannot see"),
        (("--prefix", "irqbal"), "absolute"),
        (("--prefix", "/"), "absolute"),
        (("--prefix", "/opt/a b"), "letters"),
        (("--purge",), "goes with --remove"),
        (("--prefix",), "needs a value"),
        (("--python", "/bin/false"), "not Python 3.11"),
        (("--from", "/nowhere"), "does not exist"),
    ],
)
def test_what_cannot_be_installed_is_said(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    root = tmp_path / "root"
    assert said in run(
        "sh", TOP / "etc/setup_service.sh", *words, check=1, env={"DESTDIR": str(root)}
    )
    assert not root.exists()


def test_who_switches_later_gets_no_configuration_that_irqbalances_is_to_become(
    tmp_path: Path, fakes: Path
) -> None:
    root = tmp_path / "root"
    env = {**OFFLINE, "DESTDIR": str(root), "PATH": f"{fakes}:{os.environ['PATH']}"}
    run("sh", source(tmp_path) / "etc/setup_service.sh", "--no-start", env=env)
    assert (root / "etc/systemd/system/irqbal.service").exists()
    assert not (root / "etc/irqbal.yaml").exists()
    assert not (tmp_path / "calls").exists()


def test_an_old_python3_gives_way_to_a_newer_one_beside_it(tmp_path: Path, fakes: Path) -> None:
    """As on RHEL 9 and SUSE 15."""
    (fakes / "python3").rename(fakes / "python3.12")
    for name in ("python3", "python3.14", "python3.13"):
        (fakes / name).write_text("#!/bin/sh\nexit 1\n")
        (fakes / name).chmod(0o755)
    root = tmp_path / "root"
    env = {**OFFLINE, "DESTDIR": str(root), "PATH": f"{fakes}:{os.environ['PATH']}"}
    assert "nothing was started" in run("sh", source(tmp_path) / "etc/setup_service.sh", env=env)
    assert (root / "opt/irqbal/bin/irqbal").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(tmp_path: Path, fakes: Path) -> None:
    """As after the distribution's own upgrade."""
    root, script = tmp_path / "root", source(tmp_path) / "etc/setup_service.sh"
    env = {**OFFLINE, "DESTDIR": str(root), "PATH": f"{fakes}:{os.environ['PATH']}"}
    run("sh", script, env=env)
    stranger = root / "opt/irqbal/stranger"
    stranger.touch()
    assert "is made anew" not in run("sh", script, env=env) and stranger.exists()
    for name in ("python3", "python"):
        (root / "opt/irqbal/bin" / name).unlink()
        (root / "opt/irqbal/bin" / name).symlink_to("/usr/bin/python3.0")
    assert "is made anew" in run("sh", script, env=env)
    assert not stranger.exists() and "version" in run(
        root / "opt/irqbal/bin/python3", root / "opt/irqbal/bin/irqbal", "--version"
    )


def test_without_systemd_nothing_happens_and_a_sentence_says_why(tmp_path: Path) -> None:
    script = TOP / "etc/setup_service.sh"
    text = run(
        "unshare",
        "-m",
        "sh",
        "-c",
        f"mount -t tmpfs none /run && exec sh {script} --prefix /opt/irqbal-test",
        check=1,
    )
    assert "does not run systemd, and nothing was changed" in text
    assert not Path("/opt/irqbal-test").exists()


STORY = """
set -eu
# /etc, /opt and the like are this shell's own from here on.
for name in etc usr/local/bin; do
    mkdir -p $T/own/$name && cp -a /$name/. $T/own/$name/ && mount --bind $T/own/$name /$name
done
for name in opt run var/lib; do mount -t tmpfs none /$name; done
mkdir -p /run/systemd/system
PATH=$T/fakes:$PATH
rm -f /etc/irqbal.yaml
echo "== provision"; sh $T/source/etc/provision.sh --mongodb $T/source
echo "== again"; echo "# mine" >> /etc/irqbal.yaml; sh $T/source/etc/setup_service.sh
cp /etc/irqbal.yaml $T/config
/usr/local/bin/irqbal check -c /etc/irqbal.yaml
test -x /opt/irqbal/bin/irqbal-client -a -e /etc/systemd/system/irqbal-policies@.service -a -e /opt/irqbal/share/doc/irqbal/operating.md
echo "== remove"; sh $T/source/etc/setup_service.sh --remove
test ! -e /opt/irqbal -a ! -L /usr/local/bin/irqbal -a -e /etc/irqbal.yaml -a -e /etc/systemd/system/irqbal.service.d/network.conf
test -z "$(ls -d /etc/systemd/system/irqbal*[a-z] | grep -v service.d)"
sh $T/source/etc/setup_service.sh --remove --purge
test ! -e /etc/irqbal.yaml -a ! -e /etc/systemd/system/irqbal.service.d
"""  # noqa: E501


def test_a_machine_s_life_provisioned_upgraded_removed(tmp_path: Path, fakes: Path) -> None:
    """The whole, in folders that only this test sees, with a systemd that only writes down what it
    is told.
    """
    source(tmp_path)
    tmp_path.chmod(0o755)
    text = run("unshare", "-m", "sh", "-c", STORY, env={**OFFLINE, "T": str(tmp_path)})
    calls = (tmp_path / "calls").read_text().splitlines()
    started = [call for call in calls if call.startswith("systemctl") and "irqbal.service" in call]
    assert started == [
        *["systemctl enable --quiet irqbal.service", "systemctl restart irqbal.service"] * 2,
        "systemctl disable --now irqbal.service",
    ]
    assert "systemctl enable --quiet --now mongod.service" in calls
    config = (tmp_path / "config").read_text()
    assert (
        "insecure: true" in config
        and "mongodb://127.0.0.1:27017" in config
        and config.endswith("# mine\n")
    )
    assert text.count("irqbal runs:") == 2 and "Nothing to restore" in text


COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
NOT_HERE = re.compile(
    r"systemctl|journalctl|setup_service|apt-get|pip install|vagrant|sudo "
    r"|usermod|prometheus|ansible|ssh |scp |ethtool|tuned|git |make |"
    r"irqbal serve|irqbal switch|irqbal trial"
)
"""Commands for a host with the service, or with the network, or that take an hour; everything else
in the documents is run.
"""


def commands(text: str) -> list[str]:
    """Lines of a document's commands that can be run here."""
    lines = "\n".join(COMMANDS.findall(text)).replace("\\\n", " ").splitlines()
    return [
        line
        for line in lines
        if line.strip() and not line.startswith("#") and not NOT_HERE.search(line)
    ]


def test_the_documents_central_servers_are_started_with_options_that_there_are() -> None:
    """Their MongoDB, certificates and addresses are not here; what `irqbal serve` does is tested
    with others.
    """
    known = set(re.findall(r"--[a-z-]+|-[a-z]\b", run(str(machine.IRQBAL), "serve", "--help")))
    lines = [
        line.partition(" #")[0]
        for line in (TOP / "docs/operating.md").read_text().splitlines()
        if line.startswith("irqbal serve ")
    ]
    assert len(lines) >= 3
    for line in lines:
        assert {word for word in line.split() if word.startswith("-")} <= known, line


def configurations() -> Iterator[tuple[str, str]]:
    """Each configuration that a document shows, with the document's name."""
    for path in sorted([TOP / "README.md", *(TOP / "docs").glob("*.md")]):
        for block in re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
            yield path.stem, block


@pytest.mark.parametrize(
    ("document", "text"),
    [pytest.param(*found, id=f"{found[0]}-{at}") for at, found in enumerate(configurations())],
)
def test_the_documents_configurations_are_good(tmp_path: Path, document: str, text: str) -> None:
    """As a whole file, or as the section of one that they show."""
    config = tmp_path / "irqbal.yaml"
    config.write_text(text)
    assert "valid;" in machine.irqbal("check", "-c", str(config)).stdout, document


def test_the_documents_commands_work(tmp_path: Path) -> None:
    """Line by line against a made-up host: `irqbal` reads a tree of it, `irqbal-client` asks a
    daemon that simulates it.
    """
    from served import serve

    host = tmp_path / "host"
    machine.irqbal("simulate", "--host", SPEC, "--tree", str(host))
    (host / "etc/default").mkdir(parents=True)
    (host / "etc/default/irqbalance").write_text('IRQBALANCE_BANNED_CPULIST="0"\n')
    programs = tmp_path / "bin"
    programs.mkdir()
    with serve(spec=SPEC) as served:
        config = served.state.parent / "irqbal.yaml"
        wrapper = f"""#!/bin/sh
        case "$*" in *" -c "* | policy\\ * | simulate* | --version | --help) exec {machine.IRQBAL} "$@" ;;
        import-irqbalance* | plan* | apply* | explain* | topology* | verify* | restore*)
            exec {machine.IRQBAL} --root {host} "$@" ;;
        esac
        exec {machine.IRQBAL} "$@" -c {config}
        """  # noqa: E501
        (programs / "irqbal").write_text(textwrap.dedent(wrapper))
        (programs / "irqbal-client").write_text(
            # A central server's host is this one here.
            "#!/bin/sh\nshift 2\nfor word; do shift; case $word in db7) word=$(uname -n) ;; --tls) "
            "continue ;; esac;"
            ' set -- "$@" "$word"; done\n'
            f'exec {machine.IRQBAL}-client unix:{served.socket} - "$@"\n'
        )
        (programs / "curl").write_text(
            f'#!/bin/sh\nexec /usr/bin/curl --unix-socket {served.socket} --max-time 10 "$@"\n'
        )
        for program in programs.iterdir():
            program.chmod(0o755)
        (tmp_path / "irqbal.yaml").write_text((TOP / "etc/irqbal.yaml").read_text())
        env = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "XDG_STATE_HOME": str(tmp_path / "xdg"),
            "HOME": str(tmp_path),
        }

        def follow(name: str) -> int:
            text = (TOP / f"docs/{name}.md").read_text()
            lines = commands(
                text.replace("/var/lib/irqbal", str(served.state)).replace(
                    "/root/copy", str(tmp_path)
                )
            )
            for line in lines:
                done = subprocess.run(
                    ["sh", "-c", line],
                    cwd=tmp_path,
                    env=env,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=60,
                )
                # `verify` says by its status that it found something.
                assert done.returncode in ((0, 1) if "verify" in line else (0,)), (
                    name,
                    line,
                    done.stdout,
                    done.stderr,
                )
            return len(lines)

        with ThreadPoolExecutor(5) as pool:
            count = sum(
                pool.map(
                    follow, ("first-steps", "choosing-policies", "moving", "operating", "security")
                )
            )
        copy = machine.irqbal(
            "decisions", "--store", str(tmp_path / "history.sqlite"), "--start", "1h"
        ).stdout
    assert count >= 15 and "pin_nic_queues" in copy
