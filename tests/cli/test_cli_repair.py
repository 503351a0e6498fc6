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


def test_repair_takes_lines_out_of_sums_that_are_there_twice_or_make_no_sense(
    filled: Place,
) -> None:
    sums = file_of(filled, 3).with_name("SHA256SUMS")
    right = sums.read_bytes()
    sums.chmod(0o640)
    sums.write_bytes(f"{'0' * 64}  {name_of(ago(3))}\nno sum at all\n".encode() + right)
    assert repaired(filled)[1].code == 0
    assert sums.read_bytes() == right


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


def test_repair_that_ends_early_counts_what_it_adopted(filled: Place) -> None:
    first, second = (file_of(filled, number).with_suffix(".v2.zip") for number in (4, 3))
    for number, path in ((4, first), (3, second)):
        path.write_bytes(make_report(APP.app_id, ago(number), revision=2))
    second.chmod(0)
    done = filled.run("repair", "--json", plain=True)
    assert actions(done) == [("adopt", str(first))]
    assert (done.summary["adopted"], done.code) == (1, 5)
    second.chmod(0o440)
    told = filled.run("repair")
    assert told.code == 0
    assert "1 adopted" in told.out


def test_a_dry_run_of_repair_counts_what_would_be_adopted(filled: Place) -> None:
    for number in (4, 3):
        path = file_of(filled, number).with_suffix(".v2.zip")
        path.write_bytes(make_report(APP.app_id, ago(number), revision=2))
    file_of(filled, 5).unlink()
    dry, done = repaired(filled, "-n")[1], repaired(filled)[1]
    assert actions(dry) == actions(done)
    assert (dry.summary["adopt"], dry.summary["reopen"]) == (2, 1)
    assert (done.summary["adopted"], done.summary["stored"]) == (2, 1)
