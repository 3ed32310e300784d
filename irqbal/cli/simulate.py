"""`irqbal simulate`."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.table import Table

from irqbal.cli.common import DEFAULT_CONFIG, Common, common_of
from irqbal.cli.runner import attempt
from irqbal.client.cli.values import SECONDS
from irqbal.config.schema import Config
from irqbal.render.console import console, to_the_second
from irqbal.service.assembly import folders
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.replay import ReplayHost
from irqbal.simulated.score import QUIET, TrialResult
from irqbal.simulated.spec import parse_spec
from irqbal.simulated.traffic import EVENTS, SHAPES
from irqbal.simulated.tree import write_tree
from irqbal.wire import to_json

SHAPE, CYCLES, DAY = "2x32x2", 60, 86400.0
TRAFFIC = ", ".join([*SHAPES, *EVENTS])


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
    help="Replay from then on; a day before the end, unless given.",
)
@click.option("--end", type=SECONDS, default=None, help="Replay until then; now, unless given.")
@click.option(
    "--recorded-by",
    "recorder",
    default="",
    help="Whose history it is, where it holds that of several hosts.",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    help="With --history, the host: proc/ and sys/ below this folder. Else it is made up.",
)
@click.option(
    "--host",
    "shape",
    show_default=SHAPE,
    help="Sockets x cores x threads; or the whole host in one text, as `daemon --simulate` takes "
    "it.",
)
@click.option("--nodes", help="NUMA nodes that the cores are split over evenly.")
@click.option("--l3", help="Cores that share a last-level cache; all of a socket unless told.")
@click.option(
    "--nic",
    "nics",
    multiple=True,
    help="Queues x cards, 63x2, with another driver 63x2:mlx5_core. May be repeated.",
)
@click.option(
    "--nvme",
    "drives",
    multiple=True,
    help="Queues x drives, 64x4: managed by the kernel, as on a real host. May be repeated.",
)
@click.option("--traffic", help=f"{TRAFFIC}; joined by +, as in skewed+unplug.")
@click.option("--busy", help="Share of all CPUs' time that interrupts take, such as 30%.")
@click.option("--seed", help="Another number, other traffic.")
@click.option(
    "--cycles",
    type=click.IntRange(1, 100_000),
    show_default=f"{CYCLES}, or all that was recorded",
    help="Balancing cycles.",
)
@click.option(
    "--tree",
    type=click.Path(file_okay=False, path_type=Path),
    help="Only write the host into this new folder, for --root.",
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
    """Try configurations on a made-up host, or on recorded traffic, and measure how well they
    balance it. Nothing real is written.

    The policies are the real ones, in their real process; time is made up, so an hour takes
    seconds. What is printed is the true load, which no balancer sees, over a bound that no
    placement can beat: the mean over all CPUs, or the hottest IRQ. Where IRQs stay on their own
    nodes, and one node has more to do than others, the best is more than 1.00.

    With --history the interrupts that a history recorded fire once more, on this host (or that of
    --root), where each configuration puts them; the first column is what was really done. What an
    interrupt costs is fitted to the CPUs' recorded times.
    """
    replaying = recorded is not None
    before = ctx.parent.params.get("root") if ctx.parent is not None else None
    if not replaying and (root is not None or before is not None):
        raise click.UsageError(
            "simulate makes its own host: leave --root out; --tree FOLDER writes one that --root "
            "can read"
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
    configs = [common.config() for common in commons]
    said: tuple[str, ...] = ()
    if recorded is not None:
        results, of, said = _replay(recorded, recorder, start, end, configs, commons, cycles)
    else:
        spec = parse_spec(
            ",".join([SHAPE if shape is None else shape, *_words(nics, drives, options)])
        )
        beat, of = float(configs[0].interval), str(spec)
        if tree is not None:
            write_tree(SimulatedHost(spec, beat=beat), tree)
            click.echo(f"{tree}: {spec}")
            return
        results = [
            attempt(
                SimulatedHost(spec, lambda originals: None, beat), config, common, cycles or CYCLES
            )
            for config, common in zip(configs, commons, strict=True)
        ]
    if as_json:
        click.echo(to_json(results).decode())
        for sentence in said:
            click.echo(sentence, err=True)
    else:
        _print(results, of, said)


def _words(
    nics: tuple[str, ...], drives: tuple[str, ...], options: dict[str, str | None]
) -> list[str]:
    """The options in the words of a specification."""
    words = [f"{key}={value}" for key, value in options.items() if value is not None]
    return [*words, *(f"nic={text}" for text in nics), *(f"nvme={text}" for text in drives)]


def _replay(
    source: str,
    host: str,
    start: float | None,
    end: float | None,
    configs: list[Config],
    commons: list[Common],
    cycles: int | None,
) -> tuple[list[TrialResult], str, tuple[str, ...]]:
    """What was recorded, first as it was and then with each configuration; what it was, and what is
    to be said of it.
    """
    from irqbal.cli import replayed
    from irqbal.history.open import open_store

    until = time.time() if end is None else end
    store = open_store(source, folders(configs[0], commons[0].root).state, "--history")
    try:
        replay = replayed.read(
            store, until - DAY if start is None else start, until, commons[0].root, host
        )
    finally:
        store.close()
    counts = [replayed.cycles_in(replay, float(config.interval), cycles) for config in configs]
    results = [replayed.recorded(replay, float(configs[0].interval), counts[0])]
    for config, common, count in zip(configs, commons, counts, strict=True):
        results.append(attempt(ReplayHost(replay.scene, replay.recording), config, common, count))
    return results, str(replay), replay.said


def _print(results: list[TrialResult], of: str, said: tuple[str, ...] = ()) -> None:
    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for result in results:
        table.add_column(result.config, justify="right", overflow="fold")
    for name, texts in zip(_ROWS, zip(*map(_texts, results), strict=True), strict=True):
        table.add_row(name, *texts)
    out.print(f"{of}, {results[0].cycles} cycles", markup=False)
    out.print(table)
    for result in results:
        for failure in result.failures:
            out.print(f"{result.config}: policy {failure}", style="red", markup=False)
    for sentence in said:
        out.print(sentence, markup=False)


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


def _texts(result: TrialResult) -> tuple[str, ...]:
    """A column of the table, row by row."""
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
