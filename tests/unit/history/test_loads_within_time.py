"""The loads of IRQs on a CPU are never more than the time that the kernel measured there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from irqbal.history.recorder import Recorder
from irqbal.history.samples import Series
from irqbal.model.readings import Counts
from irqbal.testing import cpus, host, nic

HOST = host(cpus(2), nic("eth0", 2))
IRQS = [irq for irq in HOST.irqs if irq.queues]


@given(
    st.lists(st.integers(0, 10_000), min_size=4, max_size=4),
    st.lists(st.integers(0, 900_000), min_size=2, max_size=2),
    st.floats(0, 1e-3),
)
def test_parts_stay_within_the_whole(interrupts: list[int], times: list[int], cost: float) -> None:
    recorder = Recorder()

    def counts(now: float, factor: int) -> Counts:
        rows = {
            irq.number: {cpu: factor * interrupts[2 * at + cpu] for cpu in range(2)}
            for at, irq in enumerate(IRQS)
        }
        return Counts(
            time=now,
            cpus=frozenset(range(2)),
            irqs=rows,
            rows={},
            softirqs={},
            softnet={},
            times={"softirq": {cpu: factor * times[cpu] for cpu in range(2)}},
        )

    assert recorder.take(counts(1.0, 0), HOST, 1.0) is None
    sample = recorder.take(counts(2.0, 1), HOST, 2.0, {irq.number: cost for irq in HOST.irqs})
    assert sample is not None
    for cpu in range(2):
        parts = sum(
            value
            for series, value in sample.values.items()
            if series.kind == "load" and series.cpu == cpu
        )
        assert parts <= sample.values.get(Series("time", "softirq", cpu), 0) or not any(times)
