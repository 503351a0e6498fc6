"""The ledger of reports: tables, claims, records, queries, waivers, migrations."""

from reportsync.ledger.ledger import Ledger, open_reading, open_writing, sqlite_path

__all__ = ["Ledger", "open_reading", "open_writing", "sqlite_path"]
