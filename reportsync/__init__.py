"""reportsync: never lose a day of daily campaign reports."""

__version__ = "0.1.0"
