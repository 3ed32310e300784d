"""The policies that come with irqbal. They have no privilege: same entry points, same child, same
rules as a stranger's.
"""
