"""Reads rows from the pages of a database file, without the tables that lead to them. Pure.

The format is sqlite.org/fileformat2.html. A row is in a leaf page of some table, which the page
does not name. Whatever is damaged is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import mmap
from typing import Any

_LEAF = 0x0D
"""First byte of a page that holds rows (1.6)."""
_HEADER = 100
"""Bytes of the file's header, at the beginning of page 1 (1.3)."""
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
"""Serial type of an integer -> its bytes (2.1)."""
MOST_PAYLOAD = 64 << 20
"""Most bytes of a row."""


class PageReader:
    """The pages of one file, of which `data` is the content."""

    def __init__(self, data: bytes | mmap) -> None:
        self._data = data
        size = int.from_bytes(data[16:18], "big")
        self._size = {0: 16384, 1: 65536}.get(size, size)
        if self._size < 512 or self._size & (self._size - 1):
            self._size = 16384
        self._usable = self._size - (data[20] if len(data) > _HEADER else 0)

    def rows(self) -> Iterator[tuple[int, list[Any]]]:
        """(row number, values) of each row that can be read. The value of a column that is the row
        number itself is None.
        """
        free = self._free()
        for number in range(1, len(self._data) // self._size + 1):
            if number in free:
                continue
            page = self._page(number)
            start = _HEADER if number == 1 else 0
            if page[start] != _LEAF:
                continue
            count = int.from_bytes(page[start + 3 : start + 5], "big")
            for index in range(min(count, self._size // 4)):
                try:
                    at = start + 8 + 2 * index
                    yield self._row(page, int.from_bytes(page[at : at + 2], "big"))
                except (IndexError, ValueError, struct.error):
                    continue

    def _page(self, number: int) -> bytes:
        """Raises IndexError if the file has no such page."""
        page = self._data[(number - 1) * self._size : number * self._size]
        if number < 1 or len(page) < self._size:
            raise IndexError(number)
        return page

    def _free(self) -> set[int]:
        """The pages of the free list: what they hold was deleted (1.5)."""
        found: set[int] = set()
        trunk = int.from_bytes(self._data[32:36], "big")
        while trunk and trunk not in found:
            found.add(trunk)
            try:
                page = self._page(trunk)
            except IndexError:
                break
            count = min(int.from_bytes(page[4:8], "big"), self._size // 4 - 2)
            found.update(struct.unpack_from(f">{count}I", page, 8))
            trunk = int.from_bytes(page[:4], "big")
        return found

    def _row(self, page: bytes, at: int) -> tuple[int, list[Any]]:
        """The row in the cell at this offset. Raises IndexError, ValueError, struct.error."""
        length, at = _varint(page, at)
        number, at = _varint(page, at)
        if not 0 < length <= MOST_PAYLOAD:
            raise ValueError(length)
        usable = self._usable
        local = length
        if length > usable - 35:
            least = (usable - 12) * 32 // 255 - 23
            local = least + (length - least) % (usable - 4)
            if local > usable - 35:
                local = least
        payload = page[at : at + local]
        if local < length:
            payload += self._overflow(
                int.from_bytes(page[at + local : at + local + 4], "big"), length - local
            )
        if len(payload) != length:
            raise ValueError(length)
        return number, _values(payload)

    def _overflow(self, number: int, left: int) -> bytes:
        parts = []
        while left > 0:
            page = self._page(number)
            part = page[4 : min(self._usable, 4 + left)]
            parts.append(part)
            left -= len(part)
            number = int.from_bytes(page[:4], "big")
        return b"".join(parts)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(a number of one to nine bytes, the offset behind it). Raises IndexError."""
    value = 0
    for count in range(9):
        byte = data[at + count]
        if count == 8:
            value = value << 8 | byte
            break
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return value - (1 << 64) if value >= 1 << 63 else value, at + count + 1


def _values(payload: bytes) -> list[Any]:
    """The values of a record (2). Raises IndexError, ValueError, struct.error."""
    end, at = _varint(payload, 0)
    body = end
    values: list[Any] = []
    while at < end:
        kind, at = _varint(payload, at)
        size = _INTEGERS.get(kind, 8 if kind == 7 else (kind - 12) // 2 if kind >= 12 else 0)
        part = payload[body : body + size]
        if len(part) != size:
            raise ValueError(kind)
        body += size
        if kind in _INTEGERS:
            values.append(int.from_bytes(part, "big", signed=True))
        elif kind == 7:
            values.append(struct.unpack(">d", part)[0])
        elif kind >= 12:
            values.append(part if kind % 2 == 0 else part.decode("utf-8", "replace"))
        else:
            values.append({8: 0, 9: 1}.get(kind))
    return values
