"""`irqbal serve`: the API and the dashboard over what many hosts shipped, without a kernel. It
holds nothing of its own.
"""
