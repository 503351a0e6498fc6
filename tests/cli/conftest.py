"""Fixtures of the tests of the commands."""

from cli_fixtures import place, zygote
from repair_cases import filled

__all__ = ["filled", "place", "zygote"]
