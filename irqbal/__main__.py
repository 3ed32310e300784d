"""`python -m irqbal`."""

from irqbal.cli import main

main()
