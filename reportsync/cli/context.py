"""What every command is given: where the config is, how much to say and how."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reportsync.cli.output import say

if TYPE_CHECKING:
    from reportsync.config import Loaded


@dataclass(frozen=True, slots=True)
class Context:
    """The global options. `verbosity` is -1 for quiet, 0, 1 or 2."""

    config_path: Path | None = None
    verbosity: int = 0
    no_color: bool = False

    def load(self) -> Loaded:
        """Load the config; warnings about it go to stderr. Raises `ConfigError`."""
        from reportsync.config import load

        loaded = load(self.config_path)
        for warning in loaded.warnings:
            self.note(f"warning: {warning}")
        return loaded

    def note(self, text: str) -> None:
        """Write a message to stderr unless told to be quiet."""
        if self.verbosity >= 0:
            say(text)

    @property
    def color(self) -> bool:
        """Whether colours are wanted at all; a terminal is needed besides."""
        return not self.no_color and not os.environ.get("NO_COLOR")
