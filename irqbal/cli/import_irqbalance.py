"""`irqbal import-irqbalance`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from irqbal.cli.common import Common, Seconds, command_options
from irqbal.errors import HostError
from irqbal.imported.environment import ARGUMENTS, IrqbalanceSettings
from irqbal.imported.formats import read_file, read_files
from irqbal.imported.script import TIMEOUT, run
from irqbal.imported.verdicts import ScriptVerdict, parse_verdict
from irqbal.imported.yaml_writer import to_yaml
from irqbal.kernel.files import confine, names, open_file
from irqbal.kernel.host import KernelHost
from irqbal.model.view import Snapshot
from irqbal.planner.ledger import Ledger
from irqbal.render.console import echo
from irqbal.render.progress import Working, working
from irqbal.tracking.tracker import HostTracker

FILES = (
    "etc/default/irqbalance",
    "etc/sysconfig/irqbalance",
    "etc/conf.d/irqbalance",
    "etc/config/irqbalance",
)
"""irqbalance's configuration below the root: of Debian's family, of Fedora's and SUSE's, of
Gentoo's, of OpenWrt's.
"""
DROP_INS = (
    "etc/systemd/system/irqbalance.service.d",
    "run/systemd/system/irqbalance.service.d",
    "usr/local/lib/systemd/system/irqbalance.service.d",
    "usr/lib/systemd/system/irqbalance.service.d",
    "lib/systemd/system/irqbalance.service.d",
)
"""Where irqbalance's unit is changed, by an administrator (`systemctl edit`) or by another package;
a file in one folder hides those of its name in the later ones (systemd.unit(5)).
"""
UNIT = "etc/systemd/system/irqbalance.service"
"""An administrator's own unit, instead of the distribution's."""
MAX_BYTES = 1 << 20
"""Bytes: a larger file cannot be irqbalance's configuration."""


@click.command("import-irqbalance")
@command_options
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--timeout",
    type=Seconds(0.1, 600),
    default=TIMEOUT,
    show_default=True,
    help="Seconds that one run of a policy script may take.",
)
def command(common: Common, file: Path | None, timeout: float) -> int:
    """Convert irqbalance's configuration FILE to irqbal's, and print it.

    FILE is an environment file, a systemd unit or drop-in, or OpenWrt's UCI file; by default that
    of the distribution, such as /etc/default/irqbalance. A policy script is run once for each IRQ,
    without root, and its answers become rules of pin_irqs. Options without an equivalent become
    comments. Exit status 1 if a line was not understood, or if the script failed for any IRQ.
    """
    text, good = converted(common.root, file, timeout)
    echo(text, nl=False)
    return 0 if good else 1


def converted(root: Path, file: Path | None, timeout: float) -> tuple[str, bool]:
    """irqbalance's configuration as irqbal's YAML, and whether all of it was understood. `file`:
    None for the distribution's and the units below the root. Raises HostError if there is none.
    """
    confine(root)
    named_by_root = file is None
    if file is not None:
        text = _text(file)
        if "irqbalance" not in text.lower() and not any(f"{key}=" in text for key in ARGUMENTS):
            raise HostError(
                f"{file} says nothing of irqbalance: it is another program's "
                "file, so nothing was converted; name irqbalance's own, such as "
                "/etc/default/irqbalance"
            )
        settings = read_file(text)
    else:
        units = _unit_files(root)
        file = _default_file(root, optional=bool(units))
        settings = read_files(
            "" if file is None else _text(file), [(str(path), _text(path)) for path in units]
        )
    source = file or root / DROP_INS[0]
    snapshot: Snapshot | None = None
    with working("reading the host") as progress:
        try:
            snapshot = HostTracker(KernelHost(root), 10.0).look(Ledger())
        except HostError as error:
            settings.remarks.append(
                f"IRQs are named by number, because the host cannot be read: {error}"
            )
        # What a root's own configuration names is of that root; a file that the user names may be
        # not.
        answers, good = _ask_scripts(
            settings, snapshot, root, timeout, below=named_by_root, progress=progress
        )
    return to_yaml(str(source), settings, answers, snapshot), good and settings.understood


def _unit_files(root: Path) -> list[Path]:
    """The administrator's unit, then its drop-ins in the order of their names, as systemd reads
    them.
    """
    drop_ins: dict[str, Path] = {}
    for folder in reversed(DROP_INS):
        drop_ins |= {
            name: root / folder / name for name in names(root / folder) if name.endswith(".conf")
        }
    unit = root / UNIT
    return [*([unit] if unit.is_file() else []), *(drop_ins[name] for name in sorted(drop_ins))]


def _default_file(root: Path, optional: bool) -> Path | None:
    for name in FILES:
        if (root / name).is_file():
            return root / name
    if optional:
        return None
    raise HostError(
        f"there is neither {' nor '.join(str(root / name) for name in FILES)}: name the file"
    )


def _text(path: Path) -> str:
    try:
        with os.fdopen(open_file(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise HostError(f"{path} is larger than 1 MiB: this cannot be irqbalance's configuration")
    return data.decode(errors="replace")


def _ask_scripts(
    settings: IrqbalanceSettings,
    snapshot: Snapshot | None,
    root: Path,
    timeout: float,
    *,
    below: bool,
    progress: Working,
) -> tuple[dict[int, ScriptVerdict], bool]:
    """The policy script's answers by IRQ number, and whether it worked for all IRQs. `below`: the
    script is looked for below the root.
    """
    answers: dict[int, ScriptVerdict] = {}
    if not settings.scripts:
        return answers, True
    script = Path(settings.scripts[-1])
    if below:
        script = root / script.relative_to(script.anchor)
    if snapshot is None:
        settings.remarks.append(
            f"--policyscript={script}: not run: the host cannot be read, so its IRQs are unknown"
        )
        return answers, False
    irqs = {
        irq.number: str(root / "sys/bus/pci/devices" / irq.device if irq.device else root / "sys")
        for irq in snapshot.irqs
    }
    remarks: dict[str, list[int]] = {}
    nodes = frozenset(cpu.node for cpu in snapshot.cpus)
    good = True
    try:
        progress.tell(f"asking {script} about each IRQ", len(irqs))
        for done, answer in enumerate(run(script, irqs, timeout)):
            progress.done(done)
            if answer.trouble:
                good = False
                remarks.setdefault(answer.trouble, []).append(answer.irq)
                continue
            parsed = parse_verdict(answer.output, nodes)
            answers[answer.irq] = parsed.verdict
            for remark in parsed.remarks:
                remarks.setdefault(remark, []).append(answer.irq)
    except HostError as error:
        settings.remarks.append(str(error))
        return answers, False
    for remark, numbers in remarks.items():
        named = ", ".join(map(str, numbers[:8])) + (" …" if len(numbers) > 8 else "")
        settings.remarks.append(
            f"--policyscript={script}: {len(numbers)} of {len(irqs)} IRQs ({named}): {remark}"
        )
    settings.remarks.append(
        f"--policyscript={script}: run once for each of {len(irqs)} IRQs; run import again when "
        "devices change"
    )
    return answers, good
