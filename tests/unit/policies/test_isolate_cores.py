"""isolate_cores: nothing fires on isolated CPUs but what `except` puts there, and what cannot be
helped is told.
"""

from __future__ import annotations

import msgspec

import builders as b
from irqbal.model.draft import Draft
from irqbal.model.plan import Limit, Note, Placement, Plan
from irqbal.model.view import Snapshot, Thread
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal_policies.isolate_cores import IsolateCores, irqbal_limit, irqbal_options, irqbal_place


def isolate(snapshot: Snapshot, options: IsolateCores | None = None) -> b.Says:
    """The policy over this snapshot."""
    chosen = options or IsolateCores()
    limits = tuple(irqbal_limit(snapshot, chosen))
    return b.Says(
        "isolate_cores", limits, place=lambda seen, draft: irqbal_place(seen, draft, chosen)
    )


def run(snapshot: Snapshot, options: IsolateCores | None = None) -> Plan:
    return b.plan(snapshot, isolate(snapshot, options))


def notes(made: Plan) -> list[tuple[str, str]]:
    return [(note.text, note.advice) for _, note in made.notes]


HOST = b.host(b.cpus(8, isolated="6-7"), b.nic("enp3s0", 2), b.lone("i8042"))


def test_its_options_are_isolate_cores() -> None:
    assert irqbal_options() is IsolateCores
    assert IsolateCores() == IsolateCores(kernel=True, cpus=b.s(""), except_={})


def test_irqs_are_kept_off_what_the_kernel_isolates() -> None:
    made = run(HOST)
    assert b.moves_of(made, HOST) == dict.fromkeys(
        ("enp3s0-TxRx-0", "enp3s0-TxRx-1", "i8042"), "0-5"
    )
    assert {move.reason for move in made.moves} == {"CPUs 6-7 are isolated by isolcpus"}


def test_new_irqs_start_off_isolated_cpus() -> None:
    made = run(HOST)
    assert made.default is not None and made.default.after == b.s("0-5")


def test_with_kernel_false_the_kernels_isolation_is_ignored() -> None:
    assert run(HOST, IsolateCores(kernel=False)) == Plan()


def test_cpus_are_isolated_besides_the_kernels() -> None:
    made = run(HOST, IsolateCores(cpus=b.s("0")))
    assert b.moves_of(made, HOST)["i8042"] == "1-5"
    alone = run(HOST, IsolateCores(kernel=False, cpus=b.s("0")))
    assert b.moves_of(alone, HOST)["i8042"] == "1-7"


def test_each_source_of_isolation_is_named_in_its_limit() -> None:
    of = list(b.cpus(8, isolated="6-7"))
    of[5] = msgspec.structs.replace(of[5], isolated="nohz_full")
    limits = [
        item
        for item in irqbal_limit(b.host(of), IsolateCores(cpus=b.s("0")))
        if isinstance(item, Limit)
    ]
    assert {item.reason: str(item.cpus) for item in limits} == {
        "CPU 0 is isolated by isolate_cores": "0",
        "CPUs 6-7 are isolated by isolcpus": "6-7",
        "CPU 5 is isolated by nohz_full": "5",
    }


def test_irqs_that_are_excepted_get_cores_of_their_own() -> None:
    made = run(HOST, IsolateCores(except_={"enp3s0/*": b.s("7")}))
    assert b.moves_of(made, HOST) == {"enp3s0-TxRx-0": "7", "enp3s0-TxRx-1": "7", "i8042": "0-5"}
    assert not made.refused


def test_an_exception_opens_its_own_cpus_only() -> None:
    """The other isolated CPUs stay closed to it, whatever a later policy wants."""
    seen: list[str] = []

    def look(snapshot: Snapshot, draft: Draft) -> tuple[Placement, ...]:
        seen.append(str(draft.allowed(b.irq_of(snapshot, "enp3s0-TxRx-0"))))
        return ()

    b.plan(
        HOST,
        isolate(HOST, IsolateCores(except_={"enp3s0/*": b.s("5,7")})),
        b.Says("look", place=look),
    )
    assert seen == ["0-5,7"]


def test_the_first_exception_that_matches_counts() -> None:
    options = IsolateCores(except_={"*TxRx-1": b.s("6"), "enp3s0/*": b.s("7")})
    moves = b.moves_of(run(HOST, options), HOST)
    assert (moves["enp3s0-TxRx-0"], moves["enp3s0-TxRx-1"]) == ("7", "6")


def test_an_exception_may_be_by_driver_device_or_queue() -> None:
    for glob in ("igb", "0000:20:00.0", "enp3s0/rxtx-0"):
        assert (
            b.moves_of(run(HOST, IsolateCores(except_={glob: b.s("7")})), HOST)["enp3s0-TxRx-0"]
            == "7"
        )


def test_an_exception_that_matches_nothing_is_told() -> None:
    ((text, advice),) = notes(run(HOST, IsolateCores(except_={"eth9/*": b.s("7")})))
    assert "'eth9/*' matches no IRQ" in text and advice


def test_a_managed_irq_that_fires_on_an_isolated_cpu_is_told_with_advice() -> None:
    snapshot = b.host(
        b.cpus(4, isolated="3"), b.nvme("nvme0", 4), loads={"nvme0q4": 0.01, "nvme0q1": 0.01}
    )
    made = run(snapshot)
    ((text, advice),) = notes(made)
    assert "nvme0q4 fires 100.0 times a second on isolated CPU 3" in text and "managed" in text
    assert "isolcpus=managed_irq,3" in advice
    assert b.refusals(made, snapshot)["nvme0q4"] == "unmovable"


def test_a_managed_irq_that_is_silent_or_elsewhere_is_not_told() -> None:
    snapshot = b.host(b.cpus(4, isolated="3"), b.nvme("nvme0", 4), loads={"nvme0q1": 0.01})
    assert notes(run(snapshot)) == []


def test_a_managed_irq_on_a_cpu_that_it_was_given_is_not_told() -> None:
    snapshot = b.host(b.cpus(4, isolated="3"), b.nvme("nvme0", 4), loads={"nvme0q4": 0.01})
    assert notes(run(snapshot, IsolateCores(except_={"nvme0q4": b.s("3")}))) == []


def test_interrupt_threads_on_isolated_cpus_are_told_with_the_command_that_helps() -> None:
    threads = (
        Thread(70, "irq/34-i8042", irq=34, cpus=b.s("0-7"), cpu=7),
        Thread(71, "napi/enp3s0-5", interface="enp3s0", cpus=b.s("0-7"), cpu=6),
        Thread(72, "irq/32-enp3s0", irq=32, cpus=b.s("0-7"), cpu=1),
    )
    told = notes(run(b.changed(HOST, threads=threads)))
    assert [advice for _, advice in told] == ["taskset -pc 0-5 70", "taskset -pc 0-5 71"]
    assert "irq/34-i8042 (pid 70" in told[0][0] and "isolated CPU 7" in told[0][0]


def test_the_thread_of_an_excepted_irq_is_not_told() -> None:
    number = b.irq_of(HOST, "enp3s0-TxRx-0").number
    snapshot = b.changed(
        HOST, threads=(Thread(70, "irq/32-enp3s0", irq=number, cpus=b.s("7"), cpu=7),)
    )
    assert notes(run(snapshot, IsolateCores(except_={"enp3s0/*": b.s("7")}))) == []


def test_a_host_whose_every_online_cpu_is_isolated_is_left_alone_and_told() -> None:
    snapshot = b.host(b.cpus(4, isolated="0-3"), b.lone("i8042"))
    made = run(snapshot, IsolateCores(except_={"i8042": b.s("3")}))
    assert not made.moves and made.default is None
    ((text, advice),) = notes(made)
    assert "every online CPU (0-3) is isolated" in text and advice


def test_a_host_without_isolation_is_left_alone() -> None:
    assert run(b.host(b.cpus(4), b.lone("i8042"))) == Plan()
    assert run(b.host(b.cpus(4, offline="3", isolated="3"), b.lone("i8042"))) == Plan()


def test_it_is_at_rest_once_applied() -> None:
    options = IsolateCores(except_={"enp3s0/*": b.s("7")})
    made = run(HOST, options)
    later, ledger = b.applied(HOST, made, Ledger())
    again, _ = b.planned(later, ledger, Settings(), isolate(later, options))
    assert not again.moves and again.default is None


def test_its_notes_are_notes() -> None:
    snapshot = b.host(b.cpus(4, isolated="0-3"))
    assert all(isinstance(item, Note) for item in irqbal_limit(snapshot, IsolateCores()))
