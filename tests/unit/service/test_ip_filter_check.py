"""What the unit's IPAddressDeny= would drop without a word is said aloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.config.reader import parse
from irqbal.process.systemd import unit_of
from irqbal.service import ip_filter_check
from places import TOP

SHUT = "IPAddressDeny=::/0 0.0.0.0/0\nIPAddressAllow=::1/128 127.0.0.0/8"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("api: {listen: ['127.0.0.1:1', 'localhost:2', '[::1]:3', 'unix:/run/x']}", []),
        (
            "api: {listen: ['0.0.0.0:1', '[::]:2', '10.0.0.5:3', 'db7.lan:4'], insecure: true}",
            ["0.0.0.0", "::", "10.0.0.5", "db7.lan"],
        ),
        ("history: {mongodb: {url: 'mongodb://127.0.0.1:27017,localhost/irqbal'}}", []),
        (
            "history: {mongodb: {url: "
            "'mongodb://u:p%40@db1:27017,db2,[fd00::7]:1/irqbal?replicaSet=r'}}",
            ["db1", "db2", "fd00::7"],
        ),
        ("history: {mongodb: {url: 'mongodb://%2Frun%2Fmongodb.sock'}}", []),
        (
            "history: {mongodb: {url: 'mongodb+srv://cluster0.example.net/'}}",
            ["cluster0.example.net"],
        ),
    ],
)
def test_addresses_beyond_this_host_are_found(text: str, names: list[str]) -> None:
    assert ip_filter_check.named(parse(text, "x")) == names


@pytest.mark.parametrize(
    ("rules", "shut"),
    [
        (SHUT, ["0.0.0.0", "10.0.0.5", "10.9.0.1", "fd00::7", "db1"]),
        (SHUT + " 10.0.0.0/16", ["10.9.0.1", "fd00::7"]),
        (SHUT + " 0.0.0.0/0 ::/0", []),
        ("IPAddressDeny=\nIPAddressAllow=", []),
        ("IPAddressDeny=10.9.0.0/16\nIPAddressAllow=", ["10.9.0.1"]),
        ("", []),
    ],
)
def test_what_the_rules_shut_out_is_named(rules: str, shut: list[str]) -> None:
    assert (
        ip_filter_check.shut_out(["0.0.0.0", "10.0.0.5", "10.9.0.1", "fd00::7", "db1"], rules)
        == shut
    )


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("0::/system.slice/irqbal.service\n", "irqbal.service"),
        (
            "0::/system.slice/system-irqbal\\x2dpolicies.slice/irqbal-policies@3-41-0.service\n",
            "irqbal-policies@3-41-0.service",
        ),
        (
            "12:pids:/system.slice/irqbal.service\n1:name=systemd:/system.slice/irqbal.service\n",
            "irqbal.service",
        ),
        ("0::/user.slice/user-0.slice/session-3.scope\n", ""),
        ("0::/\n", ""),
    ],
)
def test_the_unit_is_read_from_the_control_group(tmp_path: Path, text: str, unit: str) -> None:
    (tmp_path / "cgroup").write_text(text)
    assert unit_of(tmp_path / "cgroup") == unit
    assert unit_of(tmp_path / "none") == ""


def test_the_daemon_s_own_unit_names_what_the_rule_is_read_as() -> None:
    """As written in the unit, `any` and `localhost` are what systemctl shows as networks."""
    text = (TOP / "etc/systemd/irqbal.service").read_text()
    assert "\nIPAddressDeny=any\nIPAddressAllow=localhost\n" in text
