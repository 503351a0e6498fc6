"""Simulate years of operation from one seed, and say how it went."""

from __future__ import annotations

import argparse
import sys
import traceback

from .run import Outcome, simulate


def main() -> int:
    """Run what the command line asks for; 1 if an invariant did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="decides everything")
    parser.add_argument("--seeds", type=int, default=1, help="so many seeds, from --seed on")
    parser.add_argument("--years", type=float, default=10.0)
    parser.add_argument("--apps", type=int, default=24)
    parser.add_argument(
        "--storms", type=float, default=1.0, help="how much goes wrong; 0.1 is calm"
    )
    parser.add_argument("--trace", action="store_true", help="print all that happens")
    asked = parser.parse_args()
    bad = 0
    for seed in range(asked.seed, asked.seed + asked.seeds):
        tell = print if asked.trace else lambda _: None
        outcome = simulate(seed, asked.years, asked.apps, tell, asked.storms)
        bad += outcome.violation is not None
        _tell(outcome, asked.years, asked.apps, asked.storms)
    return 1 if bad else 0


def _tell(outcome: Outcome, years: float, apps: int, storms: float) -> None:
    pace = outcome.app_years / outcome.cpu_seconds * 60
    print(
        f"seed {outcome.seed}: {outcome.app_years:.1f} app-years in {outcome.cpu_seconds:.1f} s of CPU"
        f" ({pace:.0f} a minute), trace {outcome.digest}"
    )
    print(
        "  " + ", ".join(f"{name}: {number:,}" for name, number in sorted(outcome.counts.items()))
    )
    if outcome.violation is not None:
        traceback.print_exception(outcome.violation, file=sys.stdout)
        print(outcome.story(years, apps, storms))


sys.exit(main())
