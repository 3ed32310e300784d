"""The forms of interrupt names: `identify.driver_names`, parsed. `identify.nic_queues` and
`identify.disk_queues` say how they are used, `docs/queues.md` shows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Literal, get_args

from irqbal.identify.driver_names import TABLE

Serves = Literal["rxtx", "rx", "tx", "all", "io", "none", "elsewhere"]
"""What an interrupt of a form serves; the words are explained in `identify.driver_names`."""

_DIGIT = re.compile(r"\d", re.ASCII)
_HOLES = {
    # An interface's name holds no slash and no colon (net/core/dev.c, dev_valid_name).
    "{if}": r"(?P<interface>[^:/\s]{1,15})",
    "{pci}": r"(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]",
    "{dev}": r"(?P<dev>[^\s/]+?)",
    "{vif}": r"vif(?P<handle>\d{1,5})",
    "{vifback}": r"vif(?P<backend>\d{1,5}\.\d{1,5})",
    "{disk}": r"(?P<disk>[a-z0-9]+)",
    "{n}": r"(?P<index>\d{1,5})",
    "{m}": r"\d{1,5}",
    "{text}": r".+",
}
"""What stands for the parts of a name that differ; `identify.driver_names` explains them."""


def _regex(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\})", template)
    return re.compile("".join(_HOLES.get(part, re.escape(part)) for part in parts), re.ASCII)


class Form:
    """One form of a driver's interrupt names; the fields are the columns of
    `identify.driver_names`.
    """

    def __init__(
        self,
        drivers: str,
        template: str,
        serves: str,
        source: str,
        number: str = "",
        spread: str = "",
        order: str = "",
    ) -> None:
        """Raises ValueError for an unknown word in `serves`."""
        words: dict[str, Serves] = {word: word for word in get_args(Serves)}
        if serves not in words:
            raise ValueError(f"{template}: {serves!r} is none of {', '.join(words)}")
        self.drivers = tuple(drivers.split(", "))
        self.template, self.serves, self.source = template, words[serves], source
        self.number, self.spread, self.order = number, spread, order

    @property
    def plain(self) -> bool:
        """Whether a name of this form may be anything else, or the link's beside queues."""
        return self.template in ("{if}", "{if}-{n}", "{dev}")

    @property
    def general(self) -> bool:
        """Whether a name of this form tells something even where the driver is unknown."""
        holes = ("{if}", "{pci}", "virtio", "{vif", "LiquidIO")
        return self.serves != "elsewhere" and any(hole in self.template for hole in holes)

    @property
    def exact(self) -> bool:
        """Whether the number is the queue's index itself, whatever other vectors there are."""
        return self.number.lower().startswith(
            ("queue index", "rx queue index", "tx queue index", "completion vector index")
        )

    @property
    def names_device(self) -> bool:
        """Whether a name of this form holds the device's folder in /sys."""
        return any(hole in self.template for hole in ("{dev}", "{vif}", "{vifback}"))

    def device_in(self, action: str) -> str | None:
        """The folder in /sys of the device that an action's name tells; empty if it tells none,
        None if it has not this form.
        """
        match = self.regex.fullmatch(action)
        return None if match is None else _device_in(match)

    def match(self, action: str, address: str) -> re.Match[str] | None:
        """The match of an action's whole name, unless it names another device than `address`."""
        match = self.regex.fullmatch(action)
        return match if match is not None and _device_in(match) in ("", address) else None

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """Matches a whole name."""
        return _regex(self.template)

    @cached_property
    def shape_regex(self) -> re.Pattern[str]:
        """Matches a whole name whose digits are all 7."""
        return _regex(_DIGIT.sub("7", self.template))


def _device_in(match: re.Match[str]) -> str:
    groups = match.groupdict()
    if "dev" in groups:
        return str(groups["dev"])
    number = groups.get("handle") or groups.get("backend")
    return f"vif-{number.replace('.', '-')}" if number else ""


def _parse(text: str) -> Iterator[Form]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            yield Form(*(cell.strip() for cell in line.split("|")))


_ALL = tuple(_parse(TABLE))
NIC_FORMS = tuple(form for form in _ALL if form.serves != "io")
"""Forms of network drivers; the first one that fits a name decides."""
_BY_DRIVER = {
    driver: tuple(form for form in NIC_FORMS if driver in form.drivers)
    for driver in dict.fromkeys(driver for form in NIC_FORMS for driver in form.drivers)
}
_SHARED = [
    # A plain name that is one driver's link is another's queue: queues are tried.
    form
    for form in NIC_FORMS
    if form.general and not (form.plain and form.serves == "none")
]
_GENERAL = sorted(
    {(form.template, form.serves, form.order): form for form in reversed(_SHARED)}.values(),
    key=lambda form: (form.plain, NIC_FORMS.index(form)),
)
_ANY = ""
"""Stands for a driver that is not known."""


def forms_of(driver: str) -> tuple[Form, ...]:
    """The forms that a driver uses; empty if it is not known."""
    return _BY_DRIVER.get(driver, ())


def general_spreads() -> dict[str, str]:
    """How queues are shared out, by template, where all drivers that use it agree."""
    rules: dict[str, set[str]] = {}
    for form in _SHARED:
        rules.setdefault(form.template, set()).add(form.spread)
    return {template: next(iter(found)) for template, found in rules.items() if len(found) == 1}


def candidates(driver: str, action: str) -> tuple[Form, ...]:
    """The forms that an action's name fits, whatever its numbers: those of a driver, or, for an
    unknown one, those of all drivers.
    """
    return _candidates(driver if driver in _BY_DRIVER else _ANY, _DIGIT.sub("7", action[:200]))


@lru_cache(maxsize=4096)
def _candidates(driver: str, shape: str) -> tuple[Form, ...]:
    """`shape` is a name whose digits are all 7. A NIC has thousands of names and a few shapes."""
    forms = _GENERAL if driver == _ANY else _BY_DRIVER[driver]
    return tuple(form for form in forms if form.shape_regex.fullmatch(shape) is not None)


DISK_FORMS = tuple(form for form in _ALL if form.serves == "io")
"""Forms of storage drivers, which name their queues after the disk or controller."""
