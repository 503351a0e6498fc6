"""The daemon: APScheduler wakes a pass; the ledger and the calendar decide what it does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from reportsync.announce.log import Logger, configure
from reportsync.announce.metrics import Metrics
from reportsync.daemon.daemon import (
    LAST_WORDS_SECONDS,
    WATCHED,
    Again,
    Daemon,
    announcer_of,
)
from reportsync.daemon.opening import ended_by_signals
from reportsync.errors import StorageError
from reportsync.service.world import open_world
from reportsync.settings import Config
from reportsync.stop import Stop

__all__ = ["WATCHED", "serve"]


def serve(config: Config, load: Callable[[], Config], logger: Logger) -> int:
    """Run the daemon until SIGINT or SIGTERM and return the exit code.

    `load` reads the config anew on SIGHUP; while it raises, the old one stays in force. The caller has
    blocked `WATCHED` in all threads. Raises `StorageError` if disk or ledger cannot be used at the start.
    """
    metrics = Metrics()
    failing_since: datetime | None = None

    def restored(backup: Path) -> None:
        logger.warning("ledger restored", backup=str(backup))

    while True:
        try:
            with ExitStack() as opened:
                with ended_by_signals(logger):
                    world = opened.enter_context(open_world(config, Stop(), restored=restored))
                    daemon = Daemon(world, load, logger, metrics, failing_since)
                ended = daemon.run()
        except StorageError as error:
            with ended_by_signals(logger), announcer_of(config, logger) as announcer:
                announcer.could_not_begin(error, LAST_WORDS_SECONDS, restarted=True)
            raise
        if not isinstance(ended, Again):
            return ended
        config, failing_since = ended.config, ended.failing_since
        configure(config.log)
        logger.info(ended.why, apps=len(config.apps))
