"""Incidents: what holds reports back, grouped by cause; when each is told, and in which words. Pure."""

from reportsync.incidents.causes import Said, Seen
from reportsync.incidents.incident import KINDS, Cause, Incident, Span, key_of, reports_of, spans
from reportsync.incidents.notice import Notice, Phase, bundle, command, notice, open_lines, title
from reportsync.incidents.review import REMIND_EVERY, Reviewed, holds_back, is_to_tell, review

__all__ = [
    "KINDS",
    "REMIND_EVERY",
    "Cause",
    "Incident",
    "Notice",
    "Phase",
    "Reviewed",
    "Said",
    "Seen",
    "Span",
    "bundle",
    "command",
    "holds_back",
    "is_to_tell",
    "key_of",
    "notice",
    "open_lines",
    "reports_of",
    "review",
    "spans",
    "title",
]
