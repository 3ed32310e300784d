"""Packets by queue: names that drivers give their statistics, and the kernel's netlink answers."""

from __future__ import annotations

import os
import socket
import struct

import pytest

from irqbal.cpuset import CpuSet
from irqbal.identify.nic_queues import packet_counters
from irqbal.kernel import generic_netlink
from irqbal.kernel.queue_stats import Packets, queue_of
from irqbal.load.estimator import Interval, LoadEstimator
from irqbal.model.queues import Queue
from pulses import pulse


@pytest.mark.parametrize(
    ("name", "queue"),
    [
        ("rx_queue_0_packets", ("rx", 0)),
        ("tx_queue_13_packets", ("tx", 13)),  # ice ixgbe igb
        ("rx-3.packets", ("rx", 3)),
        ("tx-0.tx_packets", ("tx", 0)),  # i40e, older
        ("rx7_packets", ("rx", 7)),
        ("tx0_packets", ("tx", 0)),  # mlx5, virtio_net
        ("rx_2_packets", ("rx", 2)),  # mana
        ("queue_5_tx_cnt", ("tx", 5)),
        ("queue_5_rx_cnt", ("rx", 5)),  # ena
        ("[4]: rx_ucast_packets", ("rx", 4)),
        ("[4]: tx_mcast_packets", ("tx", 4)),  # bnxt
        ("rvec_1_rx_pkts", ("rx", 1)),  # nfp
        ("3: rcv_pkts", ("rx", 3)),
        ("3: xmit_pkts", ("tx", 3)),  # qede
        ("rx_packets", None),
        ("rx0_bytes", None),
        ("rx0_xdp_packets", None),
        ("tx_queue_0_bytes", None),
        ("rx_queue_0_packets ", None),
        ("", None),
    ],
)
def test_statistics_that_count_a_queues_packets_are_told_by_their_names(
    name: str, queue: tuple[str, int] | None
) -> None:
    assert queue_of(name) == queue


def test_a_queues_irq_has_the_counters_of_what_it_serves() -> None:
    assert packet_counters([Queue("eth0", 3, "rxtx")]) == (("eth0", "rx", 3), ("eth0", "tx", 3))
    assert packet_counters([Queue("eth0", 3, "tx")]) == (("eth0", "tx", 3),)
    assert packet_counters([Queue("nvme0", 3, "io")]) == ()


def test_interfaces_that_do_not_exist_or_have_no_queues_tell_nothing() -> None:
    packets = Packets()
    packets.learn(["no-such-nic", "lo", "x" * 40])
    assert packets.read() == {}
    packets.close()


def test_families_are_found_by_name() -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, generic_netlink.NETLINK_GENERIC) as sock:
        sock.settimeout(2)
        sock.bind((0, 0))
        assert generic_netlink.family_id(sock, b"nlctrl") == 16
        assert generic_netlink.family_id(sock, b"no-such-family") == 0
        with pytest.raises(OSError, match=r"No such file|netlink"):
            generic_netlink.multicast_group(sock, b"no-such-family", b"monitor")
        with pytest.raises(OSError, match="no group x"):
            generic_netlink.multicast_group(sock, b"nlctrl", b"x")
        assert generic_netlink.multicast_group(sock, b"nlctrl", b"notify") > 0


def test_what_is_left_of_a_dump_that_was_given_up_is_not_taken_for_an_answer() -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, generic_netlink.NETLINK_GENERIC) as sock:
        sock.settimeout(2)
        sock.bind((0, 0))
        families = [
            dict(generic_netlink.attributes(body))
            for body in generic_netlink.request(sock, 16, 3, dump=True)
        ]
        name, number = families[-1][2].rstrip(b"\0"), int.from_bytes(families[-1][1], "little")
        assert len(families) > 3 and number != 16
        for _ in range(3):
            # A dump is asked for, and nobody reads it.
            sock.send(struct.pack("=IHHIIBBH", 20, 16, 0x301, 0, 0, 3, 1, 0))
            assert generic_netlink.family_id(sock, name) == number


def test_attributes_that_are_cut_off_end_the_reading() -> None:
    whole = struct.pack("=HH4s", 8, 1, b"abcd")
    assert list(generic_netlink.attributes(whole + whole[:3])) == [(1, b"abcd")]
    assert list(generic_netlink.attributes(struct.pack("=HH", 2, 1) + whole)) == []
    assert list(generic_netlink.attributes(os.urandom(2))) == []


def test_packets_tell_apart_what_interrupts_do_not() -> None:
    """Two queues with the same interrupt rate, one with ten times the packets, on one CPU: under
    NAPI the rate says nothing.
    """
    meter, keys = LoadEstimator(), {1: ("a/0/a#1", "nic/rx"), 2: ("b/0/b#1", "nic/rx")}
    start = {1: CpuSet.of(0), 2: CpuSet.of(0)}
    before = pulse(0.0, {1: 0, 2: 0}, {0: 0}, start)
    then = {1: 0, 2: 0}
    for at in range(1, 6):
        now = {1: at * 500_000, 2: at * 50_000}
        after = pulse(at * 10.0, {1: at * 10_000, 2: at * 10_000}, {0: at * 1.1}, start)
        meter.update(
            Interval(
                before=before,
                after=after,
                start=start,
                keys=keys,
                packets_before=then,
                packets_after=now,
            )
        )
        before, then = after, now
    assert meter.load(1)[0] / meter.load(2)[0] == pytest.approx(10, rel=0.2)
    assert meter.load(1)[0] + meter.load(2)[0] == pytest.approx(0.11, rel=0.1)
    assert meter.rate(1) == meter.rate(2) == pytest.approx(1000)
