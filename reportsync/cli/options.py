"""Options that several commands have, each stated once."""

from __future__ import annotations

import click

APP = click.option("--app", "names", multiple=True, metavar="A", help="Only this app (repeatable).")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")

LARGEST = 2**63 - 1
"""The largest number that a ledger can hold."""
