"""Live through many seeds, for the long tests: each of their files is one worker's share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import pytest

from .run import simulate


def live_through(
    seeds: Iterable[int],
    years: float,
    apps: int,
    figure: Callable[[str], None],
    storms: float = 1.0,
) -> float:
    """Simulate every seed and return the app-years lived; fail with all that went wrong, keep the figures."""
    outcomes = [simulate(seed, years, apps, storms=storms) for seed in seeds]
    counts: Counter[str] = sum((one.counts for one in outcomes), Counter())
    app_years = sum(one.app_years for one in outcomes)
    bad = [one for one in outcomes if one.violation is not None]
    pace = app_years / sum(one.cpu_seconds for one in outcomes) * 60
    figure(
        f"app-years simulated: {app_years:.0f}; seeds: {len(outcomes)}; passes: {counts['passes']:,}; "
        f"requests: {counts['requests']:,}; deaths of processes: {counts['deaths']:,}; "
        f"writes: {counts['writes']:,} in {counts['commits']:,} commits; "
        f"violations: {len(bad)}; app-years a minute of one core: {pace:.0f}"
    )
    if bad:
        pytest.fail("\n\n".join(one.story(years, apps, storms) for one in bad), pytrace=False)
    assert counts["deaths"] >= len(outcomes)
    assert counts["stored"] > app_years * 250
    assert counts["commits"] < counts["writes"], "some commits are shared"
    assert counts["failed"] and counts["waiting"]
    return app_years
