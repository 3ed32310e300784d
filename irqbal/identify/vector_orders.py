"""The order in which some drivers give their vectors to queues, where no number tells. Pure.

A rule is a text of `identify.name_forms`: words apart by blanks, one a vector in the order of the
MSI index (`rx`: every Rx queue, `tx`, `rxtx`, `-`: none), or the name of one of the rules below.
"""

from __future__ import annotations

from collections.abc import Callable

Ways = tuple[range, range]
"""The indexes of the Rx and of the Tx queues that one vector serves."""
_NOTHING: Ways = (range(0), range(0))


def ordered(rule: str, rank: int, vectors: int, rx: int, tx: int) -> Ways:
    """The queues of the vector of this rank, among so many vectors, on an interface with so many
    Rx and Tx queues.
    """
    named = _RULES.get(rule)
    if named is not None:
        return named(rank, vectors, rx, tx)
    words = rule.split()
    word = words[rank] if rank < len(words) else "-"
    if vectors == 1:
        # The only interrupt of such a device does everything.
        word = "rxtx"
    return range(rx if "rx" in word else 0), range(tx if "tx" in word else 0)


def _one(way: str, index: int) -> Ways:
    if index < 0:
        return _NOTHING
    only = range(index, index + 1)
    return (only, range(0)) if way == "rx" else (range(0), only)


def _shared(rank: int, vectors: int, rx: int, tx: int) -> Ways:
    """Each vector may serve any queue (drivers/net/ethernet/freescale/fec_main.c)."""
    return range(rx), range(tx)


def _gve(rank: int, vectors: int, rx: int, tx: int) -> Ways:
    """The first half serves Tx queues, the second Rx queues, by what the device can have at most
    (drivers/net/ethernet/google/gve/gve.h, gve_rx_idx_to_ntfy).
    """
    half = vectors // 2
    return _one("tx", rank) if rank < half else _one("rx", rank - half)


def _lan743x(rank: int, vectors: int, rx: int, tx: int) -> Ways:
    """Vector 0 serves no queue, then come Tx, then Rx
    (drivers/net/ethernet/microchip/lan743x_main.c, lan743x_intr_open).
    """
    if vectors == 1:
        return range(rx), range(tx)
    if rank == 0:
        return _NOTHING
    return _one("tx", rank - 1) if rank <= tx else _one("rx", rank - 1 - tx)


def _sxgbe(rank: int, vectors: int, rx: int, tx: int) -> Ways:
    """A common vector, 8 for Tx, 16 for Rx (drivers/net/ethernet/samsung/sxgbe/sxgbe_main.c)."""
    if rank == 0 or rank > 24:
        return _NOTHING
    return _one("tx", rank - 1) if rank <= 8 else _one("rx", rank - 9)


def _qede(rank: int, vectors: int, rx: int, tx: int) -> Ways:
    """Vectors of Rx alone, of both, of Tx alone (drivers/net/ethernet/qlogic/qede/qede_main.c,
    qede_alloc_fp_array).
    """
    first = max(0, vectors - tx)
    receive = range(rank, rank + 1) if rank < max(rx, vectors - tx) else range(0)
    send = range(rank - first, rank - first + 1) if rank >= first else range(0)
    return receive, send


_RULES: dict[str, Callable[[int, int, int, int], Ways]] = {
    "shared": _shared,
    "gve": _gve,
    "lan743x": _lan743x,
    "sxgbe": _sxgbe,
    "qede": _qede,
}
