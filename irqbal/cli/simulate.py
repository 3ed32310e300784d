"""`irqbal simulate`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from rich.table import Table

from irqbal.cli.common import Common, common_of
from irqbal.cli.params import SPEC, TRAFFIC
from irqbal.client.cli.values import SECONDS
from irqbal.config.reader import DEFAULT_CONFIG
from irqbal.config.schema import Config
from irqbal.render.console import console, echo, echo_json, to_the_second
from irqbal.render.progress import Working, working
from irqbal.simulated.traffic import EVENTS, SHAPES
from irqbal.wire import to_json

if TYPE_CHECKING:
    # Imported where they are called: Tab must not wait for them.
    from irqbal.cli.replayed import HistoryWindow
    from irqbal.simulated.score import SimulationResult

SHAPE = "2x32x2"
"""The host unless another is named: sockets x cores x threads."""
CYCLES = 60
"""Cycles on a simulated host: ten minutes at the default interval."""
DAY = 86400.0
"""Seconds of history that are replayed unless --start says otherwise."""
ALL_TRAFFIC = ", ".join([*SHAPES, *EVENTS])


@click.command("simulate")
@click.pass_context
@click.option("--debug", is_flag=True, help="Log each cycle and other details.")
@click.option(
    "-c",
    "--config",
    "paths",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"A YAML file to try; give several to compare. {DEFAULT_CONFIG} if that exists, else "
    "irqbal's defaults.",
)
@click.option(
    "--history",
    "recorded",
    is_flag=False,
    flag_value="",
    metavar="[FILE|URL]",
    help="Replay this history: a file, or mongodb://…; without a value this host's own.",
)
@click.option(
    "--start",
    type=SECONDS,
    default=None,
    help="Where the replay begins; default: a day before its end.",
)
@click.option("--end", type=SECONDS, default=None, help="Where the replay ends; default: now.")
@click.option(
    "--recorded-by",
    "recorder",
    default="",
    help="The host whose history to replay, if a MongoDB holds several.",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    help="With --history: the host, as proc/ and sys/ below this folder.",
)
@click.option(
    "--host",
    "shape",
    type=SPEC,
    metavar="SPEC",
    show_default=SHAPE,
    help="Sockets x cores x threads; or the whole host in one text, as `daemon --simulate` takes "
    "it.",
)
@click.option("--nodes", help="NUMA nodes that the cores are split over evenly.")
@click.option("--l3", help="Cores that share a last-level cache; default: all of a socket.")
@click.option(
    "--nic",
    "nics",
    multiple=True,
    help="Network cards: queues x cards and a driver, as in 63x2 or 63x2:mlx5_core. May be "
    "repeated.",
)
@click.option(
    "--nvme",
    "drives",
    multiple=True,
    help="NVMe drives: queues x drives, as in 64x4. Their IRQs are managed. May be repeated.",
)
@click.option(
    "--traffic",
    type=TRAFFIC,
    metavar="TRAFFIC",
    help=f"{ALL_TRAFFIC}; several joined by +, as in skewed+unplug.",
)
@click.option("--busy", help="Share of all CPUs' time that interrupts take, such as 30%.")
@click.option(
    "--seed",
    help="A number from which the traffic is drawn; the same number gives the same traffic.",
)
@click.option(
    "--cycles",
    type=click.IntRange(1, 100_000),
    show_default=f"{CYCLES}, or all that was recorded",
    help="Cycles to run.",
)
@click.option(
    "--tree",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the host into this new folder, for use with --root, and run nothing.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a list with one object for each configuration."
)
def command(
    ctx: click.Context,
    /,
    debug: bool,
    paths: tuple[Path, ...],
    root: Path | None,
    cycles: int | None,
    tree: Path | None,
    as_json: bool,
    recorded: str | None,
    start: float | None,
    end: float | None,
    recorder: str,
    shape: str | None,
    nics: tuple[str, ...],
    drives: tuple[str, ...],
    **options: str | None,
) -> None:
    """Try configurations on a simulated host, or on recorded traffic, and measure how well they
    balance it. No real IRQ is moved.

    The policies run as they do in the daemon; the host's time is simulated, so an hour takes
    seconds. The figures are the busiest CPU's true load, which no balancer can read, divided by a
    bound that no placement can beat: the mean over all CPUs, or the hottest IRQ. If one NUMA node
    has more to do than others and IRQs stay on their own nodes, the best possible figure is above
    1.00.

    With --history, the interrupts of a recorded history fire again, on this host (or that of
    --root), on the CPUs where each configuration places them. The first column shows what was
    really done. The cost of an interrupt is fitted to the CPUs' recorded times.
    """
    replaying = recorded is not None
    before = ctx.parent.params.get("root") if ctx.parent is not None else None
    if not replaying and (root is not None or before is not None):
        raise click.UsageError(
            "simulate creates its own host: leave --root out; --tree FOLDER writes a host that "
            "--root can read"
        )
    given = {"host": shape, "nic": nics or None, "nvme": drives or None, "tree": tree, **options}
    made = [name for name, value in given.items() if value is not None]
    if replaying and made:
        raise click.UsageError(f"--history brings its own host and traffic: leave --{made[0]} out")
    if not replaying and (start is not None or end is not None or recorder):
        raise click.UsageError("--start, --end and --recorded-by are for --history")
    if start is not None and end is not None and start >= end:
        raise click.UsageError(
            f"--start ({to_the_second(start)}) is not before --end ({to_the_second(end)})"
        )
    if recorder and not (recorded or "").startswith("mongodb"):
        raise click.UsageError(
            "--recorded-by chooses among the hosts of a MongoDB; a file holds one host's history"
        )
    commons = [common_of(ctx, root, path, debug) for path in paths or (None,)]
    trials = [_Trial(common.config(), common) for common in commons]
    notes: tuple[str, ...] = ()
    if recorded is not None:
        from irqbal.cli.replayed import HistoryWindow

        until = time.time() if end is None else end
        window = HistoryWindow(until - DAY if start is None else start, until, recorder)
        with working("reading the history") as progress:
            results, title, notes = _replay(recorded, window, trials, cycles, progress)
    else:
        from irqbal.cli.runner import attempt
        from irqbal.simulated.host import SimulatedHost
        from irqbal.simulated.spec import parse_spec
        from irqbal.simulated.tree import write_tree

        spec = parse_spec(
            ",".join([SHAPE if shape is None else shape, *_words(nics, drives, options)])
        )
        beat, title = float(trials[0].config.interval), str(spec)
        if tree is not None:
            write_tree(SimulatedHost(spec, beat=beat), tree)
            echo(f"{tree}: {spec}")
            return
        results = []
        with working("setting up the host") as progress:
            for trial in trials:
                host = SimulatedHost(spec, lambda originals: None, beat)
                count = cycles or CYCLES
                results.append(attempt(host, trial.config, trial.common, count, progress))
    if as_json:
        echo_json(to_json(results))
        for note in notes:
            echo(note, err=True)
    else:
        _print(results, title, notes)


class _Trial(NamedTuple):
    """One configuration to try."""

    config: Config
    common: Common


def _words(
    nics: tuple[str, ...], drives: tuple[str, ...], options: dict[str, str | None]
) -> list[str]:
    """The options as parts of a specification."""
    words = [f"{key}={value}" for key, value in options.items() if value is not None]
    return [*words, *(f"nic={text}" for text in nics), *(f"nvme={text}" for text in drives)]


def _replay(
    source: str,
    window: HistoryWindow,
    trials: list[_Trial],
    cycles: int | None,
    progress: Working,
) -> tuple[list[SimulationResult], str, tuple[str, ...]]:
    """A window of this history, first as it was and then with each configuration; a title; notes
    about what had to be made up.
    """
    from irqbal.cli import replayed
    from irqbal.cli.runner import attempt
    from irqbal.history.open import open_store
    from irqbal.service.assembly import folders
    from irqbal.simulated.replay_host import ReplayHost

    first = trials[0]
    root, interval = first.common.root, float(first.config.interval)
    store = open_store(source, folders(first.config, root).state, "--history")
    try:
        replay = replayed.read(store, window, root)
    finally:
        store.close()
    counts = [replayed.cycles_in(replay, float(trial.config.interval), cycles) for trial in trials]
    results = [replayed.recorded(replay, interval, counts[0])]
    for trial, count in zip(trials, counts, strict=True):
        host = ReplayHost(replay.host, replay.recording)
        results.append(attempt(host, trial.config, trial.common, count, progress))
    return results, str(replay), replay.notes


def _print(results: list[SimulationResult], title: str, notes: tuple[str, ...]) -> None:
    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for result in results:
        table.add_column(result.config, justify="right", overflow="fold")
    for name, texts in zip(_ROWS, zip(*map(_texts, results), strict=True), strict=True):
        table.add_row(name, *texts)
    out.print(f"{title}, {results[0].cycles} cycles", markup=False)
    out.print(table)
    for result in results:
        for failure in result.failures:
            out.print(f"{result.config}: policy {failure}", style="red", markup=False)
    for note in notes:
        out.print(note, markup=False)


_ROWS = (
    "busiest CPU over the bound, untouched",
    "after 3 cycles",
    "mean since",
    "at the end",
    "cycles above 1.2 x the bound",
    "interrupts on their own node",
    "moves",
    "moves at rest",
    "at rest from cycle",
    "settings written",
    "refused",
    "ms a cycle",
)


def _texts(result: SimulationResult) -> tuple[str, ...]:
    """The cells of one column."""
    from irqbal.simulated.score import QUIET

    never = "never at rest" if result.cycles >= QUIET else "too few cycles"
    return (
        f"{result.start:.2f}",
        f"{result.early:.2f}",
        f"{result.mean:.2f}",
        f"{result.final:.2f}",
        str(result.poor),
        f"{result.locality * 100:.0f} %",
        str(result.moves),
        "-" if result.moves_at_rest is None else str(result.moves_at_rest),
        never if result.converged is None else str(result.converged),
        str(result.settings),
        str(result.refused),
        f"{result.seconds * 1000:.1f}" if result.seconds else "-",
    )
