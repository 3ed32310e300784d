"""What people decide holds, over every policy, until it is taken away or its time is over."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from machine import wait_for
from served import Served, serve


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve() as found:
        yield found


def _put(served: Served, irq: object, **body: Any) -> Any:
    return served.ask("PUT", f"/api/v1/irqs/{irq}/override", body, served.admin)


def _clear(served: Served, irq: object) -> Any:
    return served.ask("DELETE", f"/api/v1/irqs/{irq}/override", token=served.admin)


def _saved(served: Served) -> list[dict[str, Any]]:
    """The overrides on disk."""
    found: list[dict[str, Any]] = json.loads((served.state / "overrides.json").read_text())
    return found


def test_what_the_kernel_refuses_is_answered_and_not_kept() -> None:
    """Every CPU can serve three IRQs here: the kernel has no vector left for a fourth (ENOSPC)."""
    with serve(spec="1x8,nic=7,vectors=3", rest="interval: 1s\npolicies: []\n") as served:
        moved = [irq["number"] for irq in served.get("/api/v1/irqs?movable=true")]
        answers = [_put(served, number, cpus="3") for number in moved]
        refused = [answer for answer in answers if answer.status != 200]
        assert refused and len(refused) < len(answers)
        for answer in refused:
            assert answer.status == 409 and "was not stored" in answer.json["error"]["message"], (
                answer.body
            )
        kept = len(answers) - len(refused)
        assert len(_saved(served)) == len(served.get("/api/v1/overrides")) == kept
        again = _put(served, moved[0], cpus="3")
        assert again.json["result"] == "unchanged", "what holds goes on to hold"


def test_an_override_in_place_of_another_and_the_old_one_stays_if_the_new_one_is_refused() -> None:
    with serve(spec="1x8,nic=7,vectors=3", rest="interval: 1s\npolicies: []\n") as served:
        numbers = [irq["number"] for irq in served.get("/api/v1/irqs?movable=true")]
        assert _put(served, numbers[0], cpus="1").status == 200
        others = [number for number in numbers[1:] if _put(served, number, cpus="3").status == 200]
        assert others and _put(served, numbers[0], cpus="3").status == 409
        assert {item["irq"]: item["cpus"] for item in served.get("/api/v1/overrides")}[
            numbers[0]
        ] == "1"
        assert served.get(f"/api/v1/irqs/{numbers[0]}")["affinity"] == "1"
        assert _put(served, numbers[0], cpus="2").status == 200
        assert [item["cpus"] for item in _saved(served) if item["cpus"] != "3"] == ["2"]


def test_a_disk_that_takes_nothing_is_a_503_and_nothing_is_written(served: Served) -> None:
    number, was = served.irq(index=4)["number"], served.irq(index=4)["affinity"]
    path, aside = served.state / "overrides.json", served.state / "overrides.aside"
    if path.exists():
        path.rename(aside)
    path.mkdir()
    try:
        found = _put(served, number, cpus="5" if was != "5" else "6")
        assert found.status == 503 and "could not be saved" in found.json["error"]["message"]
        assert served.get(f"/api/v1/irqs/{number}")["affinity"] == was
        assert served.get("/api/v1/overrides") == []
    finally:
        path.rmdir()
        if aside.exists():
            aside.rename(path)


def test_an_unknown_field_is_named_in_the_answer(served: Served) -> None:
    number = served.irq(index=1)["number"]
    found = served.ask(
        "PUT", f"/api/v1/irqs/{number}/override", {"cpus": "2", "cpu": "3"}, where="unix"
    )
    assert found.status == 200 and any("cpu" in text for text in found.json["warnings"])
    assert _clear(served, number).status == 200


def test_a_pause_ends_by_itself_and_says_when(served: Served) -> None:
    found = served.ask("POST", "/api/v1/pause?for=1s", token=served.admin)
    assert (
        found.json["paused"]
        and found.json["paused_until"] is not None
        and found.json["state"] == "paused"
    )
    wait_for(lambda: not served.get("/api/v1/status")["paused"], served.log)
    found = served.ask("POST", "/api/v1/pause", {"for": 3600}, served.admin)
    assert found.json["paused_until"] is not None
    assert served.ask("POST", "/api/v1/pause", token=served.admin).json["paused_until"] is None
    assert served.ask("POST", "/api/v1/resume", token=served.admin).json["state"] != "paused"


def test_restore_puts_every_original_back_and_pauses(served: Served) -> None:
    wait_for(lambda: len(set(served.masks().values())) > 3, served.log)
    found = served.ask("POST", "/api/v1/restore", token=served.admin)
    assert found.status == 200 and found.json["paused"] and len(found.json["outcomes"]) > 5
    assert {irq["affinity"] for irq in served.get("/api/v1/irqs?movable=true")} == {"0-15"}
    assert served.ask("POST", "/api/v1/resume", token=served.admin).status == 200


def test_plans_are_made_and_nothing_is_moved(served: Served) -> None:
    before = served.masks()
    assert served.ask("POST", "/api/v1/pause", token=served.admin).status == 200
    cpu = {"policies": [{"pin_irqs": {"rules": [{"irq": "*", "cpus": "7"}]}}]}
    found = served.ask("POST", "/api/v1/plan", cpu, served.admin)
    assert found.status == 200 and {move["to"] for move in found.json["cycle"]["moves"]} == {"7"}
    text = {"yaml": "policies:\n  - pin_irqs: {rules: [{irq: '*', cpus: '6'}]}\n"}
    assert {
        move["to"]
        for move in served.ask("POST", "/api/v1/plan", text, served.admin).json["cycle"]["moves"]
    } == {"6"}
    found = served.ask(
        "POST", "/api/v1/plan", {"policies": [{"pin_irqs": {"rulse": []}}, "nobodys"]}, served.admin
    )
    assert found.status == 422 and found.json["error"]["problems"]
    assert served.ask("POST", "/api/v1/resume", token=served.admin).status == 200
    assert set(before) == set(served.masks())


def test_many_people_at_once_lose_nothing(served: Served) -> None:
    """Each gets an answer: done, or asked to try again; what was answered with done is what
    holds.
    """
    irqs = [irq["number"] for irq in served.get("/api/v1/irqs?movable=true")]
    answers: dict[int, int] = {}

    def put(number: int, cpu: int) -> None:
        answers[number] = _put(served, number, cpus=str(cpu)).status

    threads = [
        threading.Thread(target=put, args=(number, at % 16)) for at, number in enumerate(irqs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert set(answers.values()) <= {200, 503} and len(answers) == len(irqs)
    held = {item["irq"]: item["cpus"] for item in served.get("/api/v1/overrides")}
    assert held == {
        number: str(at % 16) for at, number in enumerate(irqs) if answers[number] == 200
    }
    masks_now = {irq["number"]: irq["affinity"] for irq in served.get("/api/v1/irqs")}
    assert all(masks_now[number] == cpus for number, cpus in held.items())
    for number in held:
        assert _clear(served, number).status == 200
    assert served.get("/api/v1/overrides") == []
