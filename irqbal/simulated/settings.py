"""What can be written on a simulated host, as `irqbal.kernel.write_loop` wants it: masks, the
default mask and steering of a `SimulatedState`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import GoneError
from irqbal.kernel.write_loop import WritableSetting
from irqbal.simulated.state import SimulatedState


class SimulatedSettings:
    """Implements `write_loop.WritableSettings`."""

    def __init__(self, state: SimulatedState) -> None:
        self._state = state

    def inode(self, irq: int) -> int:
        """New in each generation of the IRQ; 0 if there is none."""
        line = self._state.lines.get(irq)
        return 0 if line is None else line.inode

    def mask(self, irq: int) -> WritableSetting:
        """An IRQ's affinity."""
        state = self._state
        return _StateSetting(
            lambda: str(state.mask(irq)), lambda text: state.set_mask(irq, CpuSet.parse(text))
        )

    def default_mask(self) -> WritableSetting:
        """The affinity that new IRQs start with."""
        state = self._state
        return _StateSetting(
            lambda: str(state.default), lambda text: state.set_default(CpuSet.parse(text))
        )

    def steering(self, name: str, interface: str, queue: int) -> WritableSetting:
        """XPS, RPS or RFS of one queue."""
        state = self._state
        return _StateSetting(
            lambda: state.steering(name, interface, queue),
            lambda text: state.set_steering(name, interface, queue, text),
            steering=True,
        )


class _StateSetting(msgspec.Struct, frozen=True):
    """One value of the state. Both functions raise OSError with the kernel's errno."""

    get: Callable[[], str]
    put: Callable[[str], None]
    steering: bool = False

    def read(self) -> str:
        """The present value. Raises GoneError."""
        try:
            return self.get()
        except OSError as error:
            raise GoneError(str(error.strerror)) from error

    def write(self, value: str) -> None:
        """Write a value. Raises OSError."""
        self.put(value)
