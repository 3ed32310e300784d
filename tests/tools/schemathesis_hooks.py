"""What Schemathesis must know of this API besides its OpenAPI: how our own formats are written, and
names that exist here.

IRQBAL_NAMES: `irq=24,eth0/rx-1;device=eth0;host=vm`; half of the paths get one of them, so that not
every request ends at a 404.
"""

from __future__ import annotations

import os
import zlib
from typing import Any

import schemathesis
from hypothesis import strategies as st


def _cpu_set(parts: list[tuple[int, int]]) -> str:
    return ",".join(str(low) if width == 0 else f"{low}-{low + width}" for low, width in parts)


_PARTS = st.tuples(st.integers(0, 20), st.integers(0, 3)) | st.tuples(
    st.integers(0, 8000), st.integers(0, 191)
)
schemathesis.openapi.format("cpu-set", st.lists(_PARTS, max_size=4).map(_cpu_set))
schemathesis.openapi.format(
    "when",
    st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='seconds')}Z")
    | st.integers(0, 10**6).map(lambda number: f"{number}s")
    | st.datetimes(min_value=__import__("datetime").datetime(1970, 1, 1)).map(
        lambda moment: moment.strftime("%Y%m%d-%H%M%S")
    ),
)
_NAMES = {
    key: words.split(",")
    for key, _, words in (
        part.partition("=") for part in os.environ.get("IRQBAL_NAMES", "").split(";")
    )
    if key
}


@schemathesis.hook
def map_path_parameters(
    _context: Any, path_parameters: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Real names in place of half of the made-up ones; the same text always gets the same."""
    for name, value in (path_parameters or {}).items():
        number = zlib.crc32(repr(value).encode())
        if name in _NAMES and number % 4:
            assert path_parameters is not None
            path_parameters[name] = _NAMES[name][number // 4 % len(_NAMES[name])]
    return path_parameters
