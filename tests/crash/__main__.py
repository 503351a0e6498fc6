"""Replay one point of a scene and say what came of it; without a call, list the scene's points.

python -m tests.crash --scene sync --thread collect-0 --call fsync --when 3 --kill
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crash_points import KILL, Point, calls_of, judge, performing
from scenes import SCENES
from traced import THREADS


def main() -> int:
    """Run the command line; exit 1 if an invariant did not hold."""
    words = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    words.add_argument("--scene", choices=SCENES, required=True)
    words.add_argument("--thread", choices=THREADS, default="collect-0")
    words.add_argument("--call", help="name of a system call; without, the points are listed")
    words.add_argument("--when", type=int, default=1, help="the how-manieth of its name")
    fault = words.add_mutually_exclusive_group()
    fault.add_argument("--kill", dest="fault", action="store_const", const=KILL, default=KILL)
    fault.add_argument("--error", dest="fault", metavar="ENOSPC")
    given = words.parse_args()
    strace = shutil.which("strace")
    if strace is None:
        words.error("strace is not installed: apt-get install strace")
    with performing(given.scene, strace) as theatre:
        print(f"{given.scene}: {theatre.scene.about}")
        if given.call is None:
            for thread, calls in calls_of(theatre).items():
                for name, count in Counter(call.name for call in calls).items():
                    print(f"{thread:<12}{name:<12}{count:>5}")
            return 0
        point = Point(given.scene, given.thread, given.call, given.when, given.fault)
        verdict = judge(theatre, point)
    hit = [one for one in verdict.ran.calls if (one.name, one.number) == (point.call, point.when)]
    for call in hit:
        print(f"{call.name}({call.words}) = {call.result}")
    print(f"exit {verdict.ran.code}\n{verdict.ran.out}{verdict.ran.err}")
    print("\n".join(verdict.wrong) or "every invariant held")
    return bool(verdict.wrong)


if __name__ == "__main__":
    sys.exit(main())
