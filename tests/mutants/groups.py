"""Every mutant there is, by the part of the program that it breaks."""

from __future__ import annotations

from . import archive, decisions, doors, ledger, network, power, telling
from .mutant import Mutant

GROUPS: dict[str, tuple[Mutant, ...]] = {
    "archive": archive.MUTANTS,
    "power": power.MUTANTS,
    "ledger": ledger.MUTANTS,
    "network": network.MUTANTS,
    "decisions": decisions.MUTANTS,
    "telling": telling.MUTANTS,
    "doors": doors.MUTANTS,
}
