"""What the host did and what irqbal did to it, on disk: a recorder, SQLite with roll-ups, and an
outbox to MongoDB.
"""
