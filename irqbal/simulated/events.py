"""What else happens on a simulated host, beat by beat: CPUs that go offline and return, NICs that
are reset.
"""

from __future__ import annotations

from irqbal.simulated.spec import HostSpec
from irqbal.simulated.state import SimulatedState
from irqbal.simulated.traffic import reset_in, unplugged_in


class HostEvents:
    """Applies the events of a specification to a host's state."""

    def __init__(self, spec: HostSpec, state: SimulatedState) -> None:
        self._spec, self._state = spec, state
        self._unplugged: int | None = None

    def begin(self, beat: int) -> None:
        """What happens at the beginning of this beat."""
        spec, state = self._spec, self._state
        if "unplug" in spec.traffic:
            gone = unplugged_in(beat, spec.seed, spec.cpus)
            if self._unplugged is not None and gone != self._unplugged:
                state.plug(self._unplugged)
            if gone is not None and gone != self._unplugged:
                state.unplug(gone)
            self._unplugged = gone
        if "reset" in spec.traffic:
            interface = reset_in(beat, spec.seed, list(state.interfaces))
            if interface:
                state.reset(interface)
