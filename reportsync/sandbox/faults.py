"""Faults as values: what goes wrong, for which requests, how often; and their text. Pure."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any

from reportsync.errors import UsageProblem
from reportsync.notation import parse_duration
from reportsync.sandbox.kinds import KINDS, MATCH_OPTIONS, OPTIONS

Span = date | tuple[date, date]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with the requests that it matches.

    `app` (name or app_id) and `day` (one, or first and last) say which reports; None is all. `per`
    says over which requests `times` and `after` count: all together, those of each app, or those
    of each report. `share` picks requests by a hash of `seed`, app, day and the how-manieth request
    for that report it is, so that the same run fails in the same places whatever the threads do.
    """

    kind: str
    app: str | None = None
    day: Span | None = None
    times: int | None = None  # served so often, then no more; None is for ever
    after: int = 0  # this many matching requests pass unharmed first
    share: float = 1.0
    per: str = "all"
    seed: int = 0
    retry_after: str | None = (
        None  # seconds, or date, huge, negative, text; or any other value as it is
    )
    ratelimit: int | None = None  # x-ratelimit-reset, in seconds from now
    to: str | None = None  # other, http, file, loop, link-local, or a URL
    every: float = 0.1  # seconds between two bytes
    by: timedelta = timedelta(hours=6)
    revision: int = 2  # which content `changed` serves; 1 is the first

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise _unknown("fault", self.kind, list(KINDS))
        for text in (self.app, self.retry_after, self.to):
            if text is not None and not _fits(text):
                raise _problem(f"{self.kind}: a value is some printable text without , and ;")
        if not 0 <= self.share <= 1:
            raise _problem(f"{self.kind}: share is a fraction from 0 to 1")
        if not 0 <= self.every <= 3600:
            raise _problem(f"{self.kind}: every is in seconds, from 0 to 3600")
        if self.per not in {"all", "app", "report"}:
            raise _problem(f"{self.kind}: per is all, app or report")
        if min(self.after, self.revision - 1, self.times or 0) < 0:
            raise _problem(f"{self.kind}: times and after count from 0, revision from 1")
        if isinstance(self.day, tuple) and self.day[0] > self.day[1]:
            raise _problem(f"{self.kind}: the first day is after the last")

    def covers(self, day: date) -> bool:
        """Say whether `day` is one of the days that this fault is for."""
        if self.day is None:
            return True
        first, last = self.day if isinstance(self.day, tuple) else (self.day, self.day)
        return first <= day <= last

    def __str__(self) -> str:
        """Return the text from which `parse_faults` makes this fault again."""
        options = [
            f"{field.name}={_write(value)}"
            for field in fields(self)[1:]
            if (value := getattr(self, field.name)) != field.default
        ]
        return self.kind + (":" + ",".join(options) if options else "")


def parse_faults(spec: str) -> tuple[Fault, ...]:
    """Read faults from text such as `429:retry_after=5,times=2;cut:day=2026-11-01;reset:share=0.1`.

    The grammar, whose words are listed in `kinds.FAULT_HELP`; blanks and line ends around words do
    not matter, and of several faults the first that matches a request is served:

        SPEC   = FAULT [; FAULT]...
        FAULT  = KIND [: OPTION = VALUE [, OPTION = VALUE]...]

    Raises UsageProblem, with a suggestion for a word that is nearly right.
    """
    return tuple(_parse_fault(part.strip()) for part in spec.split(";") if part.strip())


def _parse_fault(text: str) -> Fault:
    kind, _, rest = (part.strip() for part in text.partition(":"))
    if kind not in KINDS:
        raise _unknown("fault", kind, list(KINDS))
    options: dict[str, Any] = {}
    for pair in rest.split(",") if rest else ():
        name, equals, value = (part.strip() for part in pair.partition("="))
        known = (*MATCH_OPTIONS, *KINDS[kind].options)
        if name not in known:
            raise _unknown(f"option of {kind}", name, list(known))
        if not equals or not value or name in options:
            raise _problem(f"{kind}: {name} wants one value, as in {name}={OPTIONS[name].example}")
        options[name] = _read(kind, name, value)
    return Fault(kind, **options)


def _read(kind: str, name: str, value: str) -> Any:
    try:
        return _READERS.get(name, str)(value)
    except ValueError:
        example = OPTIONS[name].example
        raise _problem(f"{kind}: cannot read {name}={value[:40]}; write {name}={example}") from None


def _natural(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _one_day(text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}|\d{8}", text, re.ASCII):
        raise ValueError(text)
    return date.fromisoformat(text)


def _days(text: str) -> Span:
    first, dots, last = text.partition("..")
    return (_one_day(first), _one_day(last)) if dots else _one_day(first)


def _duration(text: str) -> timedelta:
    span = parse_duration(text)
    assert isinstance(span, timedelta)  # it passes on only what is not text
    return span


_READERS: dict[str, Callable[[str], Any]] = {
    "day": _days, "times": _natural, "after": _natural, "share": _number, "seed": _natural,
    "ratelimit": _natural, "every": _number, "by": _duration, "revision": _natural,
}  # fmt: skip


def _fits(text: str) -> bool:
    return bool(text) and text == text.strip() and text.isprintable() and not set(text) & {",", ";"}


def _write(value: Any) -> str:
    if isinstance(value, tuple):
        return "..".join(str(day) for day in value)
    if isinstance(value, timedelta):
        return f"{int(value.total_seconds())}s"
    return str(value)


def _problem(message: str) -> UsageProblem:
    return UsageProblem(message, hint="reportsync sandbox --help lists the faults and options")


def _unknown(what: str, word: str, known: list[str]) -> UsageProblem:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"it can be one of: {', '.join(known)}"
    return UsageProblem(f"unknown {what}: {word[:40]!r}", hint=hint)
