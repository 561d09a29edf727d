"""`python -m opro` is `opro`."""

from opro.cli import main

main()
