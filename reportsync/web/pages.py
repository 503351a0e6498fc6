"""The pages as HTML: values from what was seen, laid out by the templates."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any

from reportsync import __version__
from reportsync.known import DAMAGED, NEVER_ASKED, Coverage, Gap, gaps
from reportsync.ledger.queries import DayRow
from reportsync.model import Attempt, Outcome, instant_text
from reportsync.notation import duration_text, readable_size
from reportsync.service.status import damage
from reportsync.service.why import to_act
from reportsync.web import marks, words
from reportsync.web.board import Seen
from reportsync.web.health import Liveness, Verdict
from reportsync.web.standing import Standing, sentence, worst_first

if TYPE_CHECKING:
    from jinja2 import Environment

LATEST_ATTEMPTS = 25
_MOST_GAPS = 100
_STATIC = resources.files("reportsync.web") / "static"


class Pages:
    """Renders each page; templates escape every text, and fail on a name that is not there."""

    def __init__(self) -> None:
        self.style = (_STATIC / "style.css").read_bytes()
        self.icon = (_STATIC / "icon.svg").read_bytes()

    @cached_property
    def _templates(self) -> Environment:
        import jinja2  # with the first page: a daemon that nobody looks at does without

        templates = jinja2.Environment(
            loader=jinja2.PackageLoader("reportsync.web"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        templates.filters |= {
            "instant": words.instant,
            "iso": instant_text,
            "size": readable_size,
            "foreign": words.foreign,
        }
        templates.globals |= {
            "version": __version__,
            "style": hashlib.sha256(self.style).hexdigest()[:12],
        }
        return templates

    def overview(self, seen: Seen, live: Liveness, verdict: Verdict) -> bytes:
        """Return the overview: one sentence, and every app with its last days, the worst first."""
        rows = [_Row(one, seen.now) for one in worst_first(seen.standings)]
        return self._page(
            "overview.html",
            root="",
            now=seen.now,
            sentence=sentence(seen.standings),
            alarm=None if verdict.good else verdict.text,
            last_pass=live.last_pass,
            apart=_apart(seen.now),
            next_due=min((one for row in rows if (one := row.standing.next_due)), default=None),
            rows=rows,
            totals=_totals(seen.standings),
        )

    def app(
        self, seen: Seen, one: Standing, held: Sequence[DayRow], tried: Sequence[Attempt]
    ) -> bytes:
        """Return the page of one app, given every day of it in the ledger and its latest attempts."""
        covered = one.coverage
        found = gaps(covered)[::-1]
        spoilt = damage(covered)[::-1]
        return self._page(
            "app.html",
            root="../",
            now=seen.now,
            row=_Row(one, seen.now),
            sentence=sentence([one]),
            schedule=_schedule(one),
            apart=_apart(seen.now),
            gaps=[_Gap(gap, covered) for gap in found[:_MOST_GAPS]],
            more_gaps=max(0, len(found) - _MOST_GAPS),
            damage=[marks.span(run.first, run.last) for run in spoilt[:_MOST_GAPS]],
            more_damage=max(0, len(spoilt) - _MOST_GAPS),
            repair=f"reportsync repair --app {one.name}",
            years=marks.years(covered, *_titles(one, held, seen.now)),
            attempts=tried,
        )

    def message(self, title: str, text: str, hint: str | None, root: str = "") -> bytes:
        """Return a page that says why there is no other."""
        return self._page("message.html", root=root, title=title, text=text, hint=hint)

    def _page(self, template: str, **values: Any) -> bytes:
        return self._templates.get_template(template).render(values).encode()


class _Row:
    """One app as templates read it."""

    def __init__(self, standing: Standing, now: datetime) -> None:
        self.standing = standing
        self.name = standing.name
        self.word = standing.word
        self.slug = standing.word.replace(" ", "-")
        self.covered = standing.coverage
        self.bytes = standing.known.bytes
        self.newest = standing.known.newest
        self.verified_since = standing.known.verified_since
        self._now = now

    @cached_property
    def strip(self) -> marks.Strip:
        """The app's last days."""
        return marks.strip(self.covered)

    @cached_property
    def reason(self) -> str:
        """What is wrong with the newest damaged day, or why the newest missing one is missing, if any is."""
        if self.word == "damaged":
            return f"{self.covered.not_whole[-1]}: {DAMAGED}"
        if not self.covered.missing:
            return ""
        newest = self.covered.missing[-1]
        return f"{newest.day}: {words.foreign(newest.reason or NEVER_ASKED, 160)}"

    @cached_property
    def next_due(self) -> str:
        """When the next report becomes due, from now."""
        moment = self.standing.next_due
        return words.apart(moment, self._now) if moment else "–"


class _Gap:
    """A gap as templates read it, with what a person may type."""

    def __init__(self, gap: Gap, covered: Coverage) -> None:
        rejected = any(
            row.last_outcome is Outcome.REJECTED
            for row in covered.missing
            if gap.first <= row.day <= gap.last
        )
        name = covered.app.name
        self.days = marks.span(gap.first, gap.last)
        self.count = gap.days
        self.reason = gap.reason
        self.next_attempt = gap.next_attempt
        self.act = to_act(name, gap.first, gap.last, rejected=rejected)
        span = str(gap.first) if gap.days == 1 else f"{gap.first} {gap.last}"
        self.waive = f'reportsync waive {name} {span} --reason "..."'


def _apart(now: datetime) -> Any:
    return lambda moment: words.apart(moment, now)


def _totals(standings: Sequence[Standing]) -> Mapping[str, int]:
    """Return the sums over all apps that stand above the table."""
    return {
        "expected": sum(one.coverage.expected for one in standings),
        "stored": sum(one.coverage.stored for one in standings),
        "missing": sum(len(one.coverage.missing) for one in standings),
        "damaged": sum(len(one.coverage.not_whole) for one in standings),
        "waived": sum(len(one.coverage.waived) for one in standings),
        "bytes": sum(one.known.bytes for one in standings),
    }


def _schedule(one: Standing) -> str:
    app = one.coverage.app
    return f"{app.report_time:%H:%M} {app.timezone} the next day, plus {duration_text(app.buffer)}"


def _titles(one: Standing, held: Sequence[DayRow], now: datetime) -> tuple[Any, Any]:
    """Return the two functions that tell of a day: of a stored one, and of one in another state."""
    rows = {row.day: row for row in held}

    def stored(day: date) -> tuple[str, bool]:
        row = rows.get(day)
        if row is None or row.size is None:
            return "stored", False
        notes = [readable_size(row.size)]
        if row.versions > 1:
            notes.append(f"{row.versions} versions")
        notes += [words.foreign(flag) for flag in row.flags]
        return f"stored, {', '.join(notes)}", len(notes) > 1

    def other(day: date, state: str) -> str:
        if state == "damaged":
            return f"damaged: {DAMAGED}"
        if state == "waived":
            return f"waived: {words.foreign(_waiver(one, day, now))}"
        row = rows.get(day)
        if row is None or row.attempts == 0:
            return f"{state}: {NEVER_ASKED}"
        tries = "1 attempt" if row.attempts == 1 else f"{row.attempts} attempts"
        return f"{state} after {tries}: {words.foreign(row.reason)}"

    return stored, other


def _waiver(one: Standing, day: date, now: datetime) -> str:
    held = [waiver for waiver in one.known.waivers if waiver.covers(day, now)]
    return f"{held[-1].reason} ({held[-1].author})" if held else ""
