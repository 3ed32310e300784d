"""`python -m irqbal`."""

from irqbal.cli.main import main

main()
