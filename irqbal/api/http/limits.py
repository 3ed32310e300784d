"""Sizes and deadlines of the HTTP server, which bound what a client can take up."""

MAX_BODY = 1 << 20
"""Bytes of a request's body: a configuration to plan with is at most a fifth of it."""
MAX_HEADER = 16 << 10
"""Bytes of a request's headers."""
IDLE = 30.0
"""Seconds that a connection may take for a request's headers, or between two requests."""
BODY_SECONDS = 15.0
"""Seconds that a request's body may take."""
WRITE_SECONDS = 30.0
"""Seconds that a client may take to receive an answer or an event, before it is disconnected."""
