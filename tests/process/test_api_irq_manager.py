"""irq_manager's own paths: the shapes that its clients know, who may write, and totals that are
those of the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from machine import wait_for
from served import Reply, Served, serve

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve(rest="interval: 500ms\nhistory: {every: 500ms}\n") as found:
        yield found


def _set(served: Served, device: object, mask: str, **more: Any) -> Reply:
    return served.ask(
        "POST", f"/devices/{device}/affinity/", f"affinity={mask}".encode(), headers=FORM, **more
    )


def test_devices_and_the_number_of_cpus(served: Served) -> None:
    names = [irq["name"] for irq in served.get("/api/v1/irqs")]
    assert served.get("/devices") == {"devices": names}
    assert served.get("/cpu_count") == {"cpu_count": 16}
    assert served.get("/devices/") == served.get("/devices"), "with a slash or without"


def test_the_mask_is_hex_as_in_the_kernels_file(served: Served) -> None:
    irq = served.irq(index=1)
    assert (
        served.ask(
            "PUT", f"/api/v1/irqs/{irq['number']}/override", {"cpus": "0-3,8"}, where="unix"
        ).status
        == 200
    )
    for name in (irq["name"], irq["number"]):
        for slash in ("", "/"):
            assert served.get(f"/devices/{name}/affinity{slash}") == {"affinity": "10f"}
    assert served.ask("GET", "/devices/nothing/affinity/").status == 404


def test_a_mask_is_set_as_an_override_and_not_without_a_token(served: Served) -> None:
    irq = served.irq(index=2)
    assert _set(served, irq["name"], "8").status == 401
    assert _set(served, irq["name"], "8", token="nobodys").status == 401
    assert not served.get(f"/api/v1/irqs/{irq['number']}")["override"]
    found = _set(served, irq["name"], "0x0010", token=served.admin)
    assert (found.status, found.json) == (200, {"affinity": "10"})
    assert served.get(f"/api/v1/irqs/{irq['number']}")["affinity"] == "4"
    assert _set(served, irq["number"], "00000000,00000003", where="unix").json == {"affinity": "3"}
    for mask, status in (("10000", 422), ("xyz", 422), ("", 422), ("0", 422), ("f" * 60_000, 422)):
        assert _set(served, irq["number"], mask, token=served.admin).status == status, mask[:10]
    assert _set(served, served.irq(False)["name"], "1", token=served.admin).status == 409


def test_clients_that_know_no_token_may_write_from_the_host_if_the_configuration_says_so() -> None:
    with serve("irq_manager_writes: loopback") as served:
        irq = served.irq(index=2)
        found = _set(served, irq["name"], "20")
        assert (found.status, found.json) == (200, {"affinity": "20"})
        ours = served.get("/api/v1/overrides")
        assert [(item["irq"], item["cpus"]) for item in ours] == [(irq["number"], "5")] and ours[0][
            "who"
        ].startswith("anonymous from 127.")
        # That one path alone; and neither with a wrong token, nor for pages of other sites.
        assert (
            served.ask("PUT", f"/api/v1/irqs/{irq['number']}/override", {"cpus": "1"}).status == 401
        )
        assert _set(served, irq["name"], "40", token="nobodys").status == 401
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Host": "evil.example"},
        ):
            found = served.ask(
                "POST",
                f"/devices/{irq['name']}/affinity/",
                b"affinity=40",
                headers={**FORM, **headers},
            )
            assert found.status == 403, headers
        assert served.get(f"/devices/{irq['name']}/affinity/") == {"affinity": "20"}


def _rows(served: Served, name: str, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = served.get(f"/devices/{name}/{query}")
    return found


def test_rows_hold_the_totals_of_the_kernel_oldest_first(served: Served) -> None:
    irq = max(served.get("/api/v1/irqs"), key=lambda item: item["rate"])
    wait_for(lambda: len(_rows(served, irq["name"])) >= 4, served.log)
    before = served.get(f"/api/v1/irqs/{irq['number']}")["total"]
    rows = _rows(served, irq["name"])
    after = served.get(f"/api/v1/irqs/{irq['number']}")["total"]
    assert set(rows[0]) == {"irq_no", "cpu_interrupts", "interrupt_type", "device", "created_at"}
    assert all((row["irq_no"], row["device"]) == (irq["number"], irq["name"]) for row in rows)
    assert [row["created_at"] for row in rows] == sorted(row["created_at"] for row in rows)
    assert set(rows[-1]["cpu_interrupts"]) <= {str(cpu) for cpu in range(16)}
    sums = [sum(row["cpu_interrupts"].values()) for row in rows]
    assert sums == sorted(sums) and sums[0] < sums[-1] <= after
    # The newest row is at most a sample old: what came since is less than two seconds' worth.
    assert sums[-1] >= before - 3 * irq["rate"]
    # From one row to the next as many as the history says were counted.
    for cpu in rows[0]["cpu_interrupts"]:
        counts = [row["cpu_interrupts"][cpu] for row in rows if cpu in row["cpu_interrupts"]]
        assert counts == sorted(counts), "a CPU's total never falls"


def test_the_last_row_is_what_proc_interrupts_would_say_at_rest() -> None:
    """With no traffic to speak of, nothing moves between the two readings: they must be equal to
    the last interrupt.
    """
    with serve(
        spec="1x4,nic=2,traffic=steady,busy=0.001%",
        rest="interval: 1s\nhistory: {every: 500ms}\npolicies: []\n",
    ) as served:
        irq = max(served.get("/api/v1/irqs"), key=lambda item: item["total"] or 0)
        wait_for(lambda: len(_rows(served, irq["name"])) >= 3, served.log)

        def same() -> bool:
            total = served.get(f"/api/v1/irqs/{irq['number']}")["total"]
            return bool(sum(_rows(served, irq["name"])[-1]["cpu_interrupts"].values()) == total)

        wait_for(same, served.log)


def test_rows_between_two_moments(served: Served) -> None:
    name = served.irq()["name"]
    wait_for(lambda: len(_rows(served, name)) >= 6, served.log)
    rows = _rows(served, name)
    # Samples lie half a second apart, and times are told to the millisecond.
    start, end = (datetime.fromisoformat(rows[at]["created_at"]).timestamp() + 0.1 for at in (0, 3))
    first, last = (
        datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for moment in (start, end)
    )
    assert _rows(served, name, f"?start_dt={first}&end_dt={last}") == rows[1:4]
    assert _rows(served, name, "?start_dt=20990101-000000") == []
    assert served.ask("GET", f"/devices/{name}/?start_dt=yesterday").status == 400
