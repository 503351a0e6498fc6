"""Fixtures of the tests of the commands."""

from cli_fixtures import place, zygote

__all__ = ["place", "zygote"]
