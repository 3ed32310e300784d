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
RAISES_UNTIL_ASIDE = 3
"""Consecutive cycles in which a policy may raise; in the last of them it is set aside."""

HOST_MEMORY = 1 << 30
"""Bytes of address space of one host: many times what a plan for 2000 IRQs needs."""
MAX_HOOK_ITEMS = 1 << 16
"""Items that one call of a hook may return: several for each IRQ of the largest hosts."""
MAX_REASON_LENGTH = 4096
"""Characters of one text field, such as a placement's reason: it is shown to people."""
MOST_WAITING = 4.0
"""How often its budget a plugin's host may wait for a CPU before the request is given up: the next
cycle tries again.
"""
MAX_SCHEMA_LENGTH = 1 << 18
"""Characters of the JSON schema of one plugin's options: the bundled ones have some thousand."""
MAX_NAME_LENGTH = 64
"""Characters of a hook's name."""
MAX_CGROUPS = 64
"""Globs of cgroups that one policy may want to be told of."""
LEAST_AGAIN = 1.0
"""Seconds between two plans that a policy may ask for, at the least."""
MAX_WAITING_RECORDS = 64
"""Records that wait for slow observers, ten minutes of cycles; the oldest is dropped first."""

MAX_ANSWER_SIZE = 4 << 20
"""Bytes of one message from a host, besides what each IRQ may add to a plan."""
MAX_ANSWER_PER_IRQ = 16 << 10
"""Bytes that each IRQ may add to a plan, by its move, its ledger entry and its explanation; some
500 are usual.
"""
MAX_HOOK_TEXT = 8 << 20
"""Characters in all texts of one call's items together: a long reason for each of 2000 IRQs."""
CHUNK_SIZE = 1 << 20
"""Bytes of one send or receive call on the channel."""
EXIT_GRACE = 0.5
"""Seconds in which a host that is not stuck exits by itself after the daemon hangs up."""
CRASH_GRACE = 1.0
"""Seconds to wait for the exit status of a host whose channel closed."""
KILL_COMMAND_TIMEOUT = 10.0
"""Seconds that `systemctl kill` may take."""
MAX_LOGGED_LINES = 20
"""Lines that are logged of one piece of a host's output."""
MAX_LOGGED_LENGTH = 300
"""Characters that are logged of one line, or of one exception's message."""
