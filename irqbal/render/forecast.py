"""A forecast in words. The daemon imports this module, so it imports neither rich nor anything else
of this room.
"""

from __future__ import annotations

from irqbal.findings.forecast import CLEARLY, Forecast


def outlook_sentence(forecast: Forecast) -> str:
    """What a plan would do to the busiest CPU: better, worse, or no clear change."""
    if forecast.imbalance_now <= 0 and forecast.busiest_likely < CLEARLY:
        return "No interrupt takes measurable time now, so no change can be forecast."
    now, likely = _load(forecast.busiest_now), _load(forecast.busiest_likely)
    over = (
        f"{forecast.imbalance_now:.2f} times the least possible now, "
        f"{forecast.imbalance_likely:.2f} times with this plan"
    )
    if forecast.change < 0:
        text = f"Better than now: the busiest CPU would go from {now} to {likely} ({over})"
    elif forecast.change > 0:
        text = f"Worse than now: the busiest CPU would go from {now} to {likely} ({over})"
    else:
        text = f"No clear change: the busiest CPU would stay at about {now} ({over})"
    if forecast.busiest_most > forecast.busiest_likely + CLEARLY:
        one = forecast.open_irqs == 1
        text += (
            f"; the kernel chooses the CPU of {forecast.open_irqs} IRQ{'' if one else 's'}, and at "
            f"worst the busiest CPU would have {_load(forecast.busiest_most)}"
        )
    if forecast.busiest_likely > 1.0 or forecast.busiest_most > 1.0:
        text += "; a CPU that gets more than 100 % cannot keep up, and packets are dropped"
    return text + "."


def _load(value: float) -> str:
    return f"{value * 100:.{1 if value < 0.1 else 0}f} %"
