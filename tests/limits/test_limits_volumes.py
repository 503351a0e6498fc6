"""Volumes that are full, out of inodes, read-only or not there, while the real program works on them."""

from __future__ import annotations

import time

import pytest
from cli_tool import Place, finish
from limit_stage import APPS, COMMANDS, Squeeze, run, told_plainly
from private_mounts import Mounts

from reportsync.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.tool("unshare", "nsenter", "mount")]

# Where it fails: the first write, the first archives, SHA256SUMS, the backup, a later commit, ...
TIGHT_ARCHIVES = [
    "size=4k",
    "size=16k",
    "size=32k",
    "size=100k",
    "nr_inodes=2",
    "nr_inodes=9",
    "nr_inodes=22",
]
TIGHT_LEDGERS = [
    "size=4k",
    "size=60k",
    "size=124k",
    "size=132k",
    "size=140k",
    "nr_inodes=1",
    "nr_inodes=2",
]


def refused(squeeze: Squeeze, mounts: Mounts, place: Place, *words: str) -> str:
    """Run a command that has to fail on its storage; return what it said."""
    done = run(place, mounts.inside(), *words)
    assert (done.code, told_plainly(done)) == (5, True), done.err
    assert squeeze.wrong(mounts.see(place.archive), mounts.see(place.ledger)) == []
    return done.err


def converges(squeeze: Squeeze, mounts: Mounts, place: Place) -> None:
    """Run `sync` after the remedy: nothing may tell that there was a fault."""
    done = run(place, mounts.inside(), "sync")
    assert done.code == 0, done.err
    assert squeeze.unlike_calm(mounts.see(place.archive), mounts.see(place.ledger)) == []


@pytest.mark.parametrize("options", TIGHT_ARCHIVES)
def test_fault_21_an_archive_without_room_is_told_and_heals(
    squeeze: Squeeze, mounts: Mounts, options: str
) -> None:
    place = squeeze.place()
    place.archive.mkdir(mode=0o750)
    mounts.do(f"mount -t tmpfs -o mode=750,{options} none {{}}", place.archive)
    told = refused(squeeze, mounts, place, "sync")
    assert str(place.archive) in told and ("df -h" in told or "df -i" in told)
    mounts.do("mount -o remount,size=8m,nr_inodes=1000 {}", place.archive)
    converges(squeeze, mounts, place)


@pytest.mark.parametrize("options", TIGHT_LEDGERS)
def test_fault_21_a_ledger_without_room_on_a_volume_of_its_own_is_told_and_heals(
    squeeze: Squeeze, mounts: Mounts, options: str
) -> None:
    place = squeeze.place(ledger="state/ledger.db")
    place.ledger.parent.mkdir(mode=0o750)
    mounts.do(f"mount -t tmpfs -o mode=750,{options} none {{}}", place.ledger.parent)
    assert str(place.ledger) in refused(squeeze, mounts, place, "sync")
    mounts.do("mount -o remount,size=8m,nr_inodes=1000 {}", place.ledger.parent)
    converges(squeeze, mounts, place)


@pytest.mark.parametrize("command", COMMANDS)
def test_fault_22_a_volume_that_is_read_only_is_told_by_each_command(
    squeeze: Squeeze, mounts: Mounts, command: str
) -> None:
    for what in ("archive", "ledger"):
        place = squeeze.place(ledger="state/ledger.db", full=True)
        folder = place.archive if what == "archive" else place.ledger.parent
        mounts.do("mount --bind {} {}", folder, folder)
        mounts.do("mount -o remount,bind,ro {}", folder)
        assert str(folder) in refused(squeeze, mounts, place, *COMMANDS[command])
        mounts.do("umount {}", folder)
        converges(squeeze, mounts, place)


@pytest.mark.parametrize("command", COMMANDS)
def test_fault_22_a_volume_that_is_not_mounted_is_told_and_nothing_is_written_under_it(
    squeeze: Squeeze, mounts: Mounts, command: str
) -> None:
    place = squeeze.place(full=True)
    volume = place.archive.rename(place.folder / "volume")
    place.archive.mkdir(mode=0o750)
    told = refused_unmounted(mounts, place, command)
    assert str(place.archive) in told and "mounted" in told
    assert list(place.archive.iterdir()) == []
    mounts.do("mount --bind {} {}", volume, place.archive)
    converges(squeeze, mounts, place)


def refused_unmounted(mounts: Mounts, place: Place, command: str) -> str:
    done = run(place, mounts.inside(), *COMMANDS[command])
    assert (done.code, told_plainly(done)) == (5, True), done.err
    return done.err


def test_fault_22_a_volume_that_vanishes_in_the_middle_of_a_sync_loses_nothing(
    squeeze: Squeeze, mounts: Mounts, sandbox: Sandbox
) -> None:
    place = squeeze.place()
    volume = place.folder / "volume"
    for folder in (volume, place.archive):
        folder.mkdir(mode=0o750)
    mounts.do("mount --bind {} {}", volume, place.archive)
    with Sandbox(APPS, latency=0.2) as slow:
        place.serve(slow, APPS)
        process = place.start("sync", before=mounts.inside())
        while len(slow.requests) < 3 and process.poll() is None:
            time.sleep(0.01)
        mounts.do("umount -l {}", place.archive)
        done = finish(process)
    assert (done.code, told_plainly(done)) == (5, True), done.err
    assert "mounted" in done.err and str(place.archive) in done.err
    assert list(place.archive.iterdir()) == [], "nothing under the mount point"
    assert squeeze.wrong(volume, place.ledger) == []
    place.serve(sandbox, APPS)
    mounts.do("mount --bind {} {}", volume, place.archive)
    converges(squeeze, mounts, place)
