"""Fixtures of the tests of the ledger."""

from ledger_fixtures import ledger, lite, path, url

__all__ = ["ledger", "lite", "path", "url"]
