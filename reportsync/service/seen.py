"""What a pass saw that the ledger does not keep: which keys, hosts and archives were refused and why."""

from __future__ import annotations

from collections.abc import Iterable

from reportsync.collect import Collected
from reportsync.errors import AppRefused, ArchiveRefused, StorageError, TooLarge
from reportsync.incidents import Said, Seen
from reportsync.model import ANSWERED, Report
from reportsync.service.judge import Checked, Found
from reportsync.service.passes import Listener
from reportsync.service.verify import first_unreadable

_DAMAGED = (Found.DAMAGED, Found.LOST)


def seen_in(amiss: Iterable[Checked]) -> Seen:
    """Return what a verification saw that found these archives not right. Pure."""
    found = list(amiss)
    error = first_unreadable(found)
    return Seen(
        damaged=frozenset(one.archive for one in found if one.found in _DAMAGED),
        storage=Said(error.message, error.hint) if error else None,
        judged=frozenset(),
    )


class Watch(Listener):
    """Passes on to `inner` what happens in a pass, and keeps what incidents are made of."""

    def __init__(self, inner: Listener) -> None:
        self._inner = inner
        self._refused: dict[str, Said] = {}
        self._barred: dict[str, Said] = {}
        self._archives: dict[Report, Said] = {}
        self._answered: set[str] = set()

    def begun(self, planned: int, rate: float) -> None:
        self._inner.begun(planned, rate)

    def ended(self, ended: Collected) -> None:
        self._keep(ended)
        self._inner.ended(ended)

    def width(self, host: str, width: int) -> None:
        self._inner.width(host, width)

    def waiting_for_others(self, count: int) -> None:
        self._inner.waiting_for_others(count)

    def _keep(self, ended: Collected) -> None:
        app = ended.report.app
        said = Said(ended.reason or "", ended.hint)
        if ended.key_refused:
            self._refused[app] = said
        elif isinstance(ended.error, AppRefused):
            self._barred[app] = said
        elif isinstance(ended.error, ArchiveRefused | TooLarge):
            self._archives[ended.report] = said
        elif ended.outcome in ANSWERED:
            self._answered.add(app)

    def seen(self, trouble: StorageError | None, judged: frozenset[Report] | None = None) -> Seen:
        """Return what was seen in a pass that ended with `trouble`, None if storage was fine.

        `judged`: the only reports that the pass was for, None if it was for all that are due.
        """
        return Seen(
            refused=self._refused,
            barred={app: said for app, said in self._barred.items() if app not in self._answered},
            archives=self._archives,
            answered=frozenset(self._answered - self._refused.keys()),
            storage=Said(trouble.message, trouble.hint) if trouble else None,
            storage_fine=trouble is None,
            judged=judged,
        )
