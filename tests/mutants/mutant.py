"""One deliberately broken variant of the program, as a value."""

from __future__ import annotations

from dataclasses import dataclass


class DoesNotApply(Exception):
    """The text that a mutant replaces is not there, or there more than once."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A variant in which `old`, found once in `file` (below `reportsync/`), has become `new`.

    `breaks` says what then holds no longer. Every one of `tests` (node ids below `tests/`) must fail
    on it; `tools` are the programs that those need.
    """

    name: str
    breaks: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    tools: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def applied(self, text: str) -> str:
        """Return `text`, the content of the file, broken; raise `DoesNotApply`."""
        found = text.count(self.old)
        if found != 1:
            raise DoesNotApply(f"{self.name}: its text is {found} times in reportsync/{self.file}")
        return text.replace(self.old, self.new)
