"""`repair`: SHA256SUMS, and what it says that it did and would do."""

from __future__ import annotations

from cli_tool import Place, ago, check_sums, name_of
from repair_cases import APP, actions, file_of, repaired

from reportsync.sandbox.reports import make_report


def with_an_old_year(place: Place) -> None:
    """Have the ledger hold an archive of 2019, too."""
    old = place.archive / "one" / "2019" / "20190203.zip"
    old.parent.mkdir()
    old.write_bytes(make_report(APP.app_id, ago(700)))
    assert actions(repaired(place)[1]) == [("adopt", str(old))]


def test_repair_takes_lines_out_of_sums_for_which_the_ledger_has_no_archive(filled: Place) -> None:
    sums = file_of(filled, 3).with_name("SHA256SUMS")
    right = sums.read_bytes()
    year = f"{ago(3):%Y}"
    for name in ("20200101.zip", name_of(ago(3)).replace(".zip", ".v7.zip"), "no-archive.txt"):
        sums.chmod(0o640)
        sums.write_bytes(right + f"{'0' * 64}  {name}\n".encode())
        told = [("write anew", f"one/{year}/SHA256SUMS")]
        assert actions(repaired(filled, "-n")[1]) == told
        asked, done = repaired(filled)
        assert (asked, actions(done), done.code) == ([], told, 0)
        assert sums.read_bytes() == right
        assert check_sums(filled.archive) == 8


def test_repair_goes_on_where_something_else_has_the_name_of_sums(filled: Place) -> None:
    with_an_old_year(filled)
    sums = filled.archive / "one" / "2019" / "SHA256SUMS"
    sums.unlink()
    sums.mkdir()
    file_of(filled, 5).unlink()
    _, foreseen = repaired(filled, "-n")
    asked, done = repaired(filled)
    assert (asked, done.code, foreseen.code) == ([name_of(ago(5))], 5, 5)
    assert actions(foreseen) == actions(done)
    assert ("leave alone", str(sums)) in actions(done)
    assert f"{sums} is not a plain file" in done.err
    assert done.summary["stored"] == 1
