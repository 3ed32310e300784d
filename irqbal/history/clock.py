"""Which times the history believes: the wall clock may be years off at a boot, and jump later.

Nothing is deleted on the word of one clock. The wall clock is compared with CLOCK_BOOTTIME, which
nobody can set (clock_gettime(2)), and at the start with the history's own newest time. A time that
does not follow from these is in doubt until it has stood for a while. If the clock jumps back
instead, the records that were made meanwhile have a wrong time.
"""

from __future__ import annotations

import ctypes
import time
from enum import Enum
from pathlib import Path

import msgspec

STEP = 60.0
"""Seconds by which the clock may differ from what is expected: a time source corrects less than
that within an interval without a jump, and a longer sample does no harm.
"""
LONGEST_GAP = 3600.0
"""Seconds that the host or the daemon may have been down before the time of the next start is in
doubt.
"""
STOOD_SYNCHRONISED, STOOD_UNKNOWN, STOOD_ALONE = 600.0, 3600.0, 86400.0
"""Seconds for which a time in doubt must stand to be believed: while the kernel's clock is
synchronised with a source of time; where that cannot be learnt; and without such a source.
"""
_TIMESYNC = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd makes this file once the clock is synchronised (systemd-timesyncd(8))."""
_UPTIME = Path("/proc/uptime")
_STA_UNSYNC, _TIME_ERROR = 0x0040, 5
"""adjtimex(2): the status bit of a clock without a source, and the return value that says the same
(linux/timex.h).
"""
_TIMEX_BYTES, _STATUS_AT = 256, 40
"""Size of a buffer that holds struct timex on every architecture, and the offset of `status` where
a long has 8 bytes (linux/timex.h).
"""


class ClockReading(msgspec.Struct, frozen=True):
    """The clocks at one moment: `wall` in seconds since the epoch, `since_boot` in seconds of
    CLOCK_BOOTTIME. `synchronised`: None if it cannot be learnt.
    """

    wall: float
    since_boot: float
    synchronised: bool | None


def read_clock() -> ClockReading:
    """The clocks now."""
    # The uptime is CLOCK_BOOTTIME (proc_uptime(5)), and no preloaded library pretends another one.
    uptime = float(_UPTIME.read_text().split()[0])
    return ClockReading(time.time(), uptime, _is_synchronised())


_libc = ctypes.CDLL(None)


def _is_synchronised() -> bool | None:
    if _TIMESYNC.exists():
        return True
    if ctypes.sizeof(ctypes.c_long) != 8:
        return None
    # Modes 0, the first field: nothing is set.
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    state = _libc.adjtimex(buffer)
    if state < 0:
        # systemd's ProtectClock= refuses the call, although it only reads.
        return None
    status = int.from_bytes(buffer.raw[_STATUS_AT : _STATUS_AT + 4], "little")
    return state != _TIME_ERROR and not status & _STA_UNSYNC


class ClockEvent(Enum):
    """What a reading changed: doubt began; the time in doubt is believed from now on; it was wrong.
    After OTHER_DOUBT it was wrong, and another time is in doubt.
    """

    NOTHING = 0
    DOUBT = 1
    BELIEVED = 2
    WRONG = 3
    OTHER_DOUBT = 4


class _Timeline(msgspec.Struct):
    """A time that was read, and CLOCK_BOOTTIME at that moment; None: it was read by an earlier
    process, and CLOCK_BOOTTIME was `begun` when this one started.
    """

    wall: float
    since_boot: float | None
    begun: float = 0.0

    def leads_to(self, now: ClockReading) -> bool:
        """Whether this reading is what becomes of this time."""
        gap = now.wall - self.wall
        if self.since_boot is None:
            return -STEP <= gap <= now.since_boot - self.begun + LONGEST_GAP
        return abs(gap - (now.since_boot - self.since_boot)) <= STEP

    def is_before(self, now: ClockReading) -> bool:
        """Whether an earlier process read this time, and the host may have been off since."""
        return self.since_boot is None and now.wall >= self.wall - STEP

    def follow(self, now: ClockReading) -> None:
        self.wall, self.since_boot = now.wall, now.since_boot


class ClockJudge:
    """Judges readings one after the other. `newest`: the newest time that the history believes,
    `doubtful`: the newest one in doubt, which has stood for `stood` seconds; None: there is none.
    """

    def __init__(
        self,
        start: ClockReading,
        newest: float | None,
        doubtful: float | None = None,
        stood: float = 0.0,
    ) -> None:
        begun = start.since_boot
        self._believed = None if newest is None else _Timeline(newest, None, begun)
        self._doubtful = None if doubtful is None else _Timeline(doubtful, None, begun)
        self._stood, self._stood_known, self._stood_synchronised = stood, 0.0, 0.0
        self._last = begun

    @property
    def in_doubt(self) -> bool:
        """Whether the present time is in doubt."""
        return self._doubtful is not None

    def judge(self, now: ClockReading) -> ClockEvent:
        """What the next reading says."""
        passed, self._last = now.since_boot - self._last, now.since_boot
        doubtful = self._doubtful
        if self._fits(now):
            self._believe(now)
            return ClockEvent.NOTHING if doubtful is None else ClockEvent.WRONG
        if doubtful is not None and (doubtful.leads_to(now) or doubtful.is_before(now)):
            doubtful.follow(now)
            return self._stand(passed, now)
        self._doubtful = _Timeline(now.wall, now.since_boot)
        self._stood = self._stood_known = self._stood_synchronised = 0.0
        return ClockEvent.DOUBT if doubtful is None else ClockEvent.OTHER_DOUBT

    def _fits(self, now: ClockReading) -> bool:
        # Nothing contradicts the first time of all; if it is wrong, a later one will.
        return self._believed is None or self._believed.leads_to(now)

    def _stand(self, passed: float, now: ClockReading) -> ClockEvent:
        self._stood += passed
        self._stood_known = self._stood_known + passed if now.synchronised is not False else 0.0
        self._stood_synchronised = self._stood_synchronised + passed if now.synchronised else 0.0
        if (
            self._stood >= STOOD_ALONE
            or self._stood_known >= STOOD_UNKNOWN
            or self._stood_synchronised >= STOOD_SYNCHRONISED
        ):
            self._believe(now)
            return ClockEvent.BELIEVED
        return ClockEvent.NOTHING

    def _believe(self, now: ClockReading) -> None:
        self._believed, self._doubtful = _Timeline(now.wall, now.since_boot), None
