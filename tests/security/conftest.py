"""Fixtures of the tests that attack: a folder to run commands in."""

from cli_fixtures import place, zygote

__all__ = ["place", "zygote"]
