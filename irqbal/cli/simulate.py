"""`irqbal simulate`."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.table import Table

from irqbal.balancer import COOLDOWN_INTERVALS, Balancer
from irqbal.cli.common import DEFAULT_CONFIG, Common, common_of
from irqbal.config import Config
from irqbal.render import console
from irqbal.setup import bind, settings
from irqbal.simulated import HostSpec, SimulatedHost, parse_spec, write_tree
from irqbal.simulated.traffic import EVENTS, SHAPES
from irqbal.simulated.trial import Result, Trial
from irqbal.wire import to_json

TRAFFIC = ", ".join([*SHAPES, *EVENTS])


@click.command("simulate")
@click.pass_context
@click.option("--debug", is_flag=True, help="Log a summary of each cycle, and more.")
@click.option(
    "-c", "--config", "paths", multiple=True, type=click.Path(dir_okay=False, path_type=Path),
    help=f"A YAML file to try; give several to compare. {DEFAULT_CONFIG} if that exists, else irqbal's defaults.",
)  # fmt: skip
@click.option("--root", type=click.Path(path_type=Path), help="Has no meaning here: the host is made up.")
@click.option(
    "--host", "shape", default="2x32x2", show_default=True,
    help="Sockets x cores x threads; or the whole host in one text, as `daemon --simulate` takes it.",
)  # fmt: skip
@click.option("--nodes", help="NUMA nodes that the cores are split over evenly.")
@click.option("--l3", help="Cores that share a last-level cache; all of a socket unless told.")
@click.option("--nic", "nics", multiple=True, help="Queues x cards, 63x2, with another driver 63x2:mlx5_core. May be repeated.")
@click.option("--nvme", "drives", multiple=True, help="Queues x drives, 64x4: managed by the kernel, as on a real host. May be repeated.")
@click.option("--traffic", help=f"{TRAFFIC}; joined by +, as in skewed+unplug.")
@click.option("--busy", help="Share of all CPUs' time that interrupts take, such as 30%.")
@click.option("--seed", help="Another number, other traffic.")
@click.option("--cycles", type=click.IntRange(1, 100_000), default=60, show_default=True, help="Balancing cycles.")
@click.option("--tree", type=click.Path(file_okay=False, path_type=Path), help="Only write the host into this new folder, for --root.")
@click.option("--json", "as_json", is_flag=True, help="Print a list with one object for each configuration.")
def command(
    ctx: click.Context, /, debug: bool, paths: tuple[Path, ...], root: Path | None, cycles: int, tree: Path | None, as_json: bool,
    shape: str, nics: tuple[str, ...], drives: tuple[str, ...], **options: str | None,
) -> None:  # fmt: skip
    """Try configurations on a made-up host, and measure how well they balance it. Nothing real is read or written.

    The policies are the real ones, in their real process; time is made up, so an hour takes seconds. What is printed is the true load,
    which no balancer sees, over a bound that no placement can beat.
    """
    before = ctx.parent.params.get("root") if ctx.parent is not None else None
    if root is not None or before is not None:
        raise click.UsageError("simulate makes its own host: leave --root out; --tree FOLDER writes one that --root can read")
    spec = parse_spec(",".join([shape, *_words(nics, drives, options)]))
    commons = [common_of(ctx, None, path, debug) for path in paths or (None,)]
    configs = [common.config() for common in commons]
    beat = float(configs[0].interval)
    if tree is not None:
        write_tree(SimulatedHost(spec, beat=beat), tree)
        click.echo(f"{tree}: {spec}")
        return
    results = [_try(spec, config, common, cycles, beat) for config, common in zip(configs, commons, strict=True)]
    if as_json:
        click.echo(to_json(results).decode())
    else:
        _print(results, spec)


def _words(nics: tuple[str, ...], drives: tuple[str, ...], options: dict[str, str | None]) -> list[str]:
    """The options in the words of a specification."""
    words = [f"{key}={value}" for key, value in options.items() if value is not None]
    return [*words, *(f"nic={text}" for text in nics), *(f"nvme={text}" for text in drives)]


def _try(spec: HostSpec, config: Config, common: Common, cycles: int, beat: float) -> Result:
    """Run one configuration on a host of its own; the same specification brings the same traffic."""
    host = SimulatedHost(spec, lambda originals: None, beat)
    trial = Trial(common.name)
    interval = float(config.interval)
    policies = bind(config, common.name)
    try:
        balancer = Balancer(host, policies, settings(config, COOLDOWN_INTERVALS), interval, dry_run=False)
        balancer.watch.look(balancer.ledger)
        for _ in range(cycles):
            host.advance(interval)
            trial.passed(host.truth())
            started = time.perf_counter()
            record = balancer.cycle("tick")
            seconds = time.perf_counter() - started
            written = [outcome for outcome in record.outcomes if outcome.result in ("written", "differs")]
            moves = sum(outcome.irq is not None for outcome in written)
            refused = sum(outcome.result == "refused" for outcome in record.outcomes)
            failures = tuple(f"{failure.policy}: {failure.reason}" for failure in record.plan.failures)
            trial.cycle(moves, len(written) - moves, refused, seconds, failures)
        host.advance(interval)
        trial.passed(host.truth())
    finally:
        policies.close()
    return trial.result()


def _print(results: list[Result], spec: HostSpec) -> None:
    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for result in results:
        table.add_column(result.config, justify="right", overflow="fold")
    for name, texts in zip(_ROWS, zip(*map(_texts, results), strict=True), strict=True):
        table.add_row(name, *texts)
    out.print(f"{spec}, {results[0].cycles} cycles", markup=False)
    out.print(table)
    for result in results:
        for failure in result.failures:
            out.print(f"{result.config}: policy {failure}", style="red", markup=False)


_ROWS = (
    "busiest CPU over the bound, untouched", "after 3 cycles", "mean since", "at the end", "cycles above 1.2 x the bound",
    "interrupts on their own node", "moves", "moves at rest", "at rest from cycle", "settings written", "refused", "ms a cycle",
)  # fmt: skip


def _texts(result: Result) -> tuple[str, ...]:
    """A column of the table, row by row."""
    never = "never at rest"
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
        f"{result.seconds * 1000:.1f}",
    )
