"""Notices to where `notify.urls` says, through Apprise, which knows mail, chats, pagers and hooks."""

from __future__ import annotations

import logging
from importlib.util import find_spec

from reportsync.announce.courier import NotDelivered
from reportsync.incidents import Notice, Phase

MISSING = "needs a library; run: pip install 'reportsync[notify]'"


def installed() -> bool:
    """Say whether the library of the extra `notify` is there."""
    return find_spec("apprise") is not None


class Channel:
    """One URL of `notify.urls`; `name` says which without showing it."""

    def __init__(self, number: int, url: str) -> None:
        self.name = f"notify.urls[{number}]"
        self._url = url

    def send(self, notice: Notice) -> None:
        """Send `notice`; raise `NotDelivered` if the target did not take it."""
        if not installed():
            raise NotDelivered(MISSING)
        import apprise  # heavy, and not there without the extra

        # What it logs holds addresses and texts of others; what matters is told by our own warning.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        target = apprise.Apprise()
        if not target.add(self._url):
            raise NotDelivered("is not a URL that Apprise knows")
        kind = _KINDS[notice.phase]
        sent = target.notify(
            body=notice.body, title=f"reportsync: {notice.title}", notify_type=kind,
            body_format="text", interpret_escapes=False,
        )  # fmt: skip
        if not sent:
            raise NotDelivered("the target did not take the notice")


_KINDS = {Phase.OPENED: "failure", Phase.REMINDER: "warning", Phase.CLOSED: "success"}
