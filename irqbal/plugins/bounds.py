"""Every deadline and size limit of plugins and their hosts.

Those that a plugin's author can run into stand in docs/plugins.md too; a test compares them.
"""

from __future__ import annotations

HOOK_DEADLINE = 2.0
"""Seconds that a plugin may take in all its hooks of one request together, without what its host
waited for a CPU: a cycle of 10 s still has time for the others.
"""
IMPORT_DEADLINE = 10.0
"""Seconds that the import of one plugin may take: large libraries on a slow disk need several."""
PLANNER_DEADLINE = 10.0
"""Seconds for the host's own work before the first hook and after the last one."""
START_DEADLINE = 30.0
"""Seconds until a new host answers: the interpreter alone takes many on a cold or crowded host."""
STRANGERS_DEADLINE = 5.0
"""Seconds that a cycle waits for all strangers' policies together: half of the usual interval."""
FIRST_DEADLINE = 3.0
"""The same for the first plan: the host waits for its first placement."""
READY_DEADLINE = 1.0
"""Seconds that a start or a reload waits for strangers' hosts once irqbal's own is ready."""
RETRY_DELAYS = (60.0, 120.0, 300.0, 900.0, 3600.0)
"""Seconds after which a policy that failed is tried again, by the number of failures so far."""
CROWDED_UNTIL_ASIDE = 3
"""Consecutive requests in which a host had no CPU to run on for too long; with the last of them its
policies are set aside.
"""
SLOW_UNTIL_ASIDE = 3
"""Consecutive plans in which a distribution used more than its share of the strangers' time, so
that others could not be asked; with the last of them its policies are set aside.
"""
IDLE_CPU = 0.5
"""Seconds of CPU that a host may use between two requests: it has nothing to do then."""
STOP_POLL = 0.1
"""Seconds between two looks whether a wait has been ended by a stop."""
RECOVERED_AFTER = 3600.0
"""Seconds without a failure after which earlier ones no longer count."""
RAISES_UNTIL_ASIDE = 3
"""Consecutive cycles in which a policy may raise; in the last of them it is set aside."""

HOST_MEMORY = 1 << 30
"""Bytes of address space of one host: many times what a plan for 2000 IRQs needs."""
HOOK_ITEMS = 1024
"""Items that one call of a hook may return, besides HOOK_ITEMS_EACH."""
HOOK_WIDE_LIMITS = 256
"""Limits on all IRQs that one policy may state."""
HOOK_ITEMS_EACH = 2
"""Further items for each IRQ and each queue of the host: a placement and a note."""
HOOK_NUMBERS_EACH = 16
"""IRQ numbers that all items of one call may list, for each IRQ and queue, besides HOOK_ITEMS."""
HOOK_TEXT = 1 << 16
"""Bytes of UTF-8 in all texts and CPU sets of one call's items, besides HOOK_TEXT_EACH."""
HOOK_TEXT_EACH = 1 << 10
"""Further bytes for each IRQ and each queue of the host; a reason has some 100."""
MAX_REASON_LENGTH = 4096
"""Characters of one text field, such as a placement's reason: it is shown to people."""
MOST_WAITING = 4.0
"""How often its budget a plugin's host may wait for a CPU before the request is given up: the next
cycle tries again.
"""
MAX_SCHEMA_LENGTH = 1 << 18
"""Characters of the JSON schema of one plugin's options: the bundled ones have some thousand."""
MAX_CGROUPS = 64
"""Globs of cgroups that one policy may want to be told of."""
LEAST_AGAIN = 1.0
"""Seconds between two plans that a policy may ask for, at the least."""
MAX_WAITING_RECORDS = 64
"""Records that wait for slow observers, ten minutes of cycles; the oldest is dropped first."""

MAX_ANSWER_SIZE = 4 << 20
"""Bytes of one message from a host, besides what each IRQ and queue may add."""
MAX_PLAN_PER_IRQ = 16 << 10
"""Bytes that each IRQ may add to a plan, by its move, its ledger entry and its explanation; some
500 are usual.
"""
ITEM_OVERHEAD = 128
"""Bytes of an encoded item without its texts, at most."""
NUMBER_SIZE = 5
"""Bytes of an encoded IRQ number, at most."""
QUEUE_SIZE = 256
"""Bytes of an encoded queue that a policy identified, at most."""
MAX_PROBLEMS = 64
"""Problems with options that one plugin may report."""
MAX_KEY_LENGTH = 128
"""Characters of a problem's path of keys."""
CHUNK_SIZE = 1 << 20
"""Bytes of one send or receive call on the channel."""
EXIT_GRACE = 0.5
"""Seconds in which a host that is not stuck exits by itself after the daemon hangs up."""
CRASH_GRACE = 1.0
"""Seconds to wait for the exit status of a host whose channel closed."""
KILL_COMMAND_TIMEOUT = 10.0
"""Seconds that `systemctl kill` may take."""
MAX_LOGGED_LINES = 20
"""Lines that are logged of a host's output during one request."""
MAX_LOGGED_LENGTH = 300
"""Characters that are logged of one line, or of one exception's message."""
