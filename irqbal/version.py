"""irqbal's version, for the command line, the API and packages."""

__version__ = "0.1.0"
