"""`python -m goldpan`."""

from goldpan.cli.main import main

main()
