"""Fixtures of the tests of mutated input."""

from cli_fixtures import place, zygote

__all__ = ["place", "zygote"]
