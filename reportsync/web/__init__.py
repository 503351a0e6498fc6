"""The status page, its API, metrics and health, served by the daemon."""

from reportsync.web.health import Liveness
from reportsync.web.server import StatusServer

__all__ = ["Liveness", "StatusServer"]
