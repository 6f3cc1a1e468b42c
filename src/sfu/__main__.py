"""``python -m sfu``."""

from sfu.cli import main

main()
