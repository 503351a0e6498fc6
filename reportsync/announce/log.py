"""The daemon's log: one event one line, for people, the journal or programs, without secrets."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

from reportsync.redact import clean
from reportsync.settings import Log as LogSettings


@contextmanager
def _without(name: str) -> Iterator[None]:
    """In the body the module `name` counts as not installed, unless it is loaded already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


# structlog loads rich for tracebacks of its own, which we have no use for: 50 modules, 4 MiB.
with _without("rich"):
    import structlog

Event = MutableMapping[str, Any]
Logger = structlog.stdlib.BoundLogger

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def configure(settings: LogSettings, stream: TextIO | None = None) -> Logger:
    """Set up logging of this program and its libraries, and return the logger to use.

    `auto` means lines for people on a terminal, lines with a priority under systemd, JSON elsewhere.
    """
    stream = stream or sys.stderr
    form = settings.format if settings.format != "auto" else _fitting(stream)
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        _redacted,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _renderer(form, stream),
        ],
    )
    handler = _Unbreakable(stream)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=settings.level.upper(), force=True)
    # What these say below a warning is an event of ours already.
    for library in ("apscheduler", "alembic"):
        logging.getLogger(library).setLevel(logging.WARNING)
    return logger()


def logger() -> Logger:
    """Return the program's logger."""
    found: Logger = structlog.stdlib.get_logger("reportsync")
    return found


class _Unbreakable(logging.StreamHandler[TextIO]):
    """A handler whose broken stream never disturbs the work."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 the library's name
        """Say nothing: there is nowhere left to say it."""


def _fitting(stream: TextIO) -> str:
    if stream.isatty():
        return "console"
    return "journal" if os.environ.get("JOURNAL_STREAM") else "json"


def _redacted(logger: Any, name: str, event: Event) -> Event:
    """Clean every text of an event, whoever wrote it: this is the one place that all lines pass."""
    return {key: _clean(value) for key, value in event.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value, 2000)
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    return value if isinstance(value, logging.LogRecord) else clean(str(value), 2000)


def _renderer(form: str, stream: TextIO) -> structlog.types.Processor:
    if form == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    if form == "console":
        color = stream.isatty() and not os.environ.get("NO_COLOR")
        return structlog.dev.ConsoleRenderer(colors=color, timestamp_key="at")
    return _journal


def _journal(logger: Any, name: str, event: Event) -> str:
    """Render a line whose priority journald reads; it adds the time itself."""
    level = str(event.pop("level", "info"))
    event.pop("at", None)
    text = event.pop("event", "")
    fields = " ".join(f"{key}={value}" for key, value in event.items())
    return f"<{_PRIORITIES.get(level, 6)}>{text} {fields}".rstrip()
