"""The exit code of every command that works is what its summary says, whatever was found."""

from __future__ import annotations

import pytest
from cli_tool import Place, ago, stand_in

from reportsync.sandbox import Fault, Sandbox

APP = stand_in("one", 4)
FOUND = {
    "all there": ([], 0),
    "not there yet": ([Fault("404", day=ago(3))], 3),
    "server in trouble": ([Fault("500", day=ago(3))], 3),
    "key refused": ([Fault("401")], 77),
    "key refused for one day": ([Fault("403", day=ago(2)), Fault("404", day=ago(3))], 77),
    "no archive but a bomb": ([Fault("bomb", day=ago(3))], 3),
}


@pytest.mark.slow
@pytest.mark.parametrize("found", FOUND)
def test_invariant_11_the_exit_code_is_that_of_the_summary(place: Place, found: str) -> None:
    faults, code = FOUND[found]
    with Sandbox([APP], faults=faults) as sandbox:
        place.serve(sandbox, [APP])
        for words in (["sync"], ["backfill", "--since=-9d"], ["repair"], ["verify"]):
            done = place.run(*words, "--json")
            assert done.code == done.summary["exit"], words
            if words[0] in ("sync", "backfill"):
                assert done.code == code, done.out


def test_invariant_11_storage_goes_before_damage_before_missing_days(place: Place) -> None:
    with Sandbox([APP], faults=[Fault("404", day=ago(3))]) as sandbox:
        place.serve(sandbox, [APP])
        assert place.run("sync").code == 3
        next(place.archive.glob("one/*/*.zip")).unlink()
        done = place.run("verify", "--json")
        assert (done.code, done.summary["exit"]) == (4, 4)
        (place.archive / ".reportsync").unlink()
        done = place.run("sync", "--json")
        assert (done.code, done.summary["exit"]) == (5, 5)
