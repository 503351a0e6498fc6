"""Incidents: what holds reports back, grouped by cause; when each is told, and in which words. Pure."""

from reportsync.incidents.causes import Said, Seen
from reportsync.incidents.incident import KINDS, Cause, Incident, Span, reports_of, spans
from reportsync.incidents.notice import Notice, Phase
from reportsync.incidents.review import Review, Reviewed, review

__all__ = [
    "KINDS",
    "Cause",
    "Incident",
    "Notice",
    "Phase",
    "Review",
    "Reviewed",
    "Said",
    "Seen",
    "Span",
    "reports_of",
    "review",
    "spans",
]
