"""A program for the guest that disturbs one CPU in every way, for some seconds:
`python provoke.py CPU SECONDS [KIND ...]`.

`timer`: a task sleeps there again and again. `membarrier`, `tlb`: a thread of this process runs
there, and another thread, elsewhere, asks for memory barriers and changes page tables. `softirq`:
a task there sends packets to itself. `disk`: a task there reads the NVMe drive, whose queue of this
CPU is managed. Without kinds it is all of them. It prints how often it did each.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import mmap
import os
import socket
import sys
import threading
import time
from collections.abc import Callable

CPU, SECONDS = int(sys.argv[1]), float(sys.argv[2])
ELSEWHERE = {2}
MEMBARRIER, REGISTER, EXPEDITED = 324, 1 << 4, 1 << 3
libc = ctypes.CDLL(None, use_errno=True)


def _on(cpus: set[int]) -> float:
    """Run this thread there; returns when it should end."""
    os.sched_setaffinity(0, cpus)
    return time.monotonic() + SECONDS


def timer() -> int:
    end, count = _on({CPU}), 0
    while time.monotonic() < end:
        time.sleep(0.02)
        count += 1
    return count


def _with_thread_there(act: Callable[[], None]) -> int:
    def compute() -> None:
        end = _on({CPU})
        while time.monotonic() < end:
            # It releases Python's lock, so the thread runs while the other one works.
            hashlib.pbkdf2_hmac("sha256", b"irqbal", b"salt", 20_000)

    thread = threading.Thread(target=compute)
    thread.start()
    end, count = _on(ELSEWHERE), 0
    while time.monotonic() < end:
        act()
        count += 1
        time.sleep(0.02)
    thread.join()
    return count


def membarrier() -> int:
    assert libc.syscall(MEMBARRIER, REGISTER, 0, 0) == 0

    def act() -> None:
        assert libc.syscall(MEMBARRIER, EXPEDITED, 0, 0) == 0

    return _with_thread_there(act)


def tlb() -> int:
    pages = mmap.mmap(-1, 64 * mmap.PAGESIZE)

    def act() -> None:
        for at in range(0, len(pages), mmap.PAGESIZE):
            pages[at] = 1
        pages.madvise(mmap.MADV_DONTNEED)

    return _with_thread_there(act)


def softirq() -> int:
    end, count = _on({CPU}), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inlet:
        inlet.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outlet:
            while time.monotonic() < end:
                outlet.sendto(b"x", inlet.getsockname())
                inlet.recv(10)
                count += 1
                time.sleep(0.02)
    return count


def disk() -> int:
    end, count = _on({CPU}), 0
    file = os.open("/dev/nvme0n1", os.O_RDONLY | os.O_DIRECT)
    page = mmap.mmap(-1, 4096)
    while time.monotonic() < end:
        os.preadv(file, [page], 4096 * (count % 1000))
        count += 1
        time.sleep(0.02)
    return count


KINDS = {"timer": timer, "membarrier": membarrier, "tlb": tlb, "softirq": softirq, "disk": disk}


def main() -> None:
    children = {}
    for name in sys.argv[3:] or KINDS:
        outlet, inlet = os.pipe()
        if not os.fork():
            # Its name stands in what the kernel tells of the sender.
            libc.prctl(15, f"provoke-{name}".encode())
            os.write(inlet, str(KINDS[name]()).encode())
            os._exit(0)
        os.close(inlet)
        children[name] = outlet
    print(
        json.dumps({name: int(os.read(outlet, 20) or b"-1") for name, outlet in children.items()})
    )


if __name__ == "__main__":
    main()
