"""The policies that come with irqbal. They have no privilege over others: the same entry points,
the same kind of process, the same checks.
"""
