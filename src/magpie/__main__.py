"""``python -m magpie``."""

from magpie.cli.app import main

main()
