"""Who is measured: reportsync itself, and the other ways to download the same files."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import APP_ID, SINCE, Reports
from benchmarks.server import find

WORK = "downloads, tests each zip, hashes it, makes it durable, records it"
DOWNLOADS = "downloads only"


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be fetched by one run, and where to: an empty folder."""

    reports: Reports
    total: int  # bytes of all reports
    url: str  # of the folder with the reports
    base_url: str
    width: int
    folder: Path

    @property
    def urls(self) -> list[str]:
        """The addresses of the reports."""
        return [f"{self.url}/{name}" for name in self.reports.names]


@dataclass(frozen=True, slots=True)
class Side:
    """A way to do it: what it does, its command for a task, and the proof that it was done."""

    name: str
    work: str
    prepare: Callable[[Task], list[str]]
    check: Callable[[Task], None]


class NotDone(Exception):
    """A run did not do its work, so that its time says nothing."""


def _backfill(task: Task) -> list[str]:
    config = write_config(
        task.folder, [app_words("bench", task.base_url, task.reports)], task.width
    )
    return [*reportsync(config), "backfill", "--since", f"{SINCE}"]


def app_words(name: str, base_url: str, reports: Reports) -> str:
    """Return the config of an app that has `reports` at `base_url`; the server looks at no signature."""
    return (
        f"  - {{name: {name}, app_id: {APP_ID}, secret_key: not-a-real-key-0000,"
        f" base_url: '{base_url}', since: {SINCE}, until: {reports.until}}}\n"
    )


def write_config(folder: Path, apps: Iterable[str], width: int) -> Path:
    """Write a config with `apps` as `app_words` has them; archive and ledger are to lie in `folder`."""
    config = folder / "config.yaml"
    config.touch(mode=0o600)
    config.write_text(
        f"apps:\n{''.join(apps)}"
        f"storage: {{archive: {folder}/archive, ledger: 'sqlite:///{folder}/ledger.db'}}\n"
        f"http: {{rate: 0, workers: {width}, max_size: 5GiB}}\n"
    )
    return config


def reportsync(config: Path | None = None) -> list[str]:
    """Return the words that start reportsync as a user does, with `config` if it needs one."""
    words = [str(Path(sys.executable).with_name("reportsync"))]
    return [*words, "--config", str(config)] if config else words


def _check_archive(task: Task) -> None:
    archive = task.folder / "archive" / "bench"
    _count(archive.glob("*/*.zip"), task)
    listed = 0
    for sums in archive.glob("*/SHA256SUMS"):
        subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=sums.parent, check=True)
        listed += len(sums.read_text().splitlines())
    if listed != task.reports.count:
        raise NotDone(f"{listed} reports in SHA256SUMS")


def _curl(task: Task) -> list[str]:
    return ["sh", "-ec", _curl_words(task)]


def _curl_words(task: Task) -> str:
    asked = task.folder / "asked"
    asked.write_text(
        "".join(f'url = "{task.url}/{n}"\noutput = "out/{n}"\n' for n in task.reports.names)
    )
    (task.folder / "out").mkdir()
    return (
        f"cd {shlex.quote(str(task.folder))}; {find('curl')} -q -sSf --parallel --parallel-immediate"
        f" --parallel-max {task.width} --config asked"
    )


def _by_hand(task: Task) -> list[str]:
    return _by_shell(task, f'for zip in *.zip; do {find("unzip")} -tqq "$zip"; done')


def _by_both_hands(task: Task) -> list[str]:
    return _by_shell(task, f"printf '%s\\n' *.zip | xargs -P $(nproc) -n 1 {find('unzip')} -tqq")


def _by_shell(task: Task, test: str) -> list[str]:
    work = f"{_curl_words(task)}; cd out; {test}; sha256sum *.zip > SHA256SUMS; sync -f ."
    return ["sh", "-ec", work]


def _wget(task: Task) -> list[str]:
    asked = _list(task)
    return [find("wget"), "--no-config", "-q", "-i", asked, "-P", str(task.folder / "out")]


def _aria2c(task: Task) -> list[str]:
    asked = _list(task)
    return [
        find("aria2c", "aria2"), "--no-conf", "-q", "-i", asked, "-d", str(task.folder / "out"),
        "-j", str(task.width), "-x", "1", "--file-allocation=none",
    ]  # fmt: skip


def _rclone(task: Task) -> list[str]:
    return [
        find("rclone"), "--config", "", "-q", "copy", "--http-url", task.url, "--http-no-head",
        "--transfers", str(task.width), ":http:", str(task.folder / "out"),
    ]  # fmt: skip


def _list(task: Task) -> str:
    asked = task.folder / "asked"
    asked.write_text("".join(f"{url}\n" for url in task.urls))
    (task.folder / "out").mkdir()
    return str(asked)


def _check_files(task: Task) -> None:
    _count((task.folder / "out").glob("*.zip"), task)


def _check_sums(task: Task) -> None:
    _check_files(task)
    listed = len((task.folder / "out" / "SHA256SUMS").read_text().splitlines())
    if listed != task.reports.count:
        raise NotDone(f"{listed} files in SHA256SUMS")


def _count(found: Iterable[Path], task: Task) -> None:
    sizes = [path.stat().st_size for path in found]
    if (len(sizes), sum(sizes)) != (task.reports.count, task.total):
        raise NotDone(f"{len(sizes)} files of {sum(sizes)} bytes")


OURS = Side("reportsync", WORK, _backfill, _check_archive)
BY_HAND = Side(
    "by hand",
    "curl --parallel; then unzip -t each, sha256sum, sync",
    _by_hand,
    _check_sums,
)
BOTH_HANDS = Side(
    "by hand, all cores",
    "curl --parallel; then unzip -t each on all cores, sha256sum, sync",
    _by_both_hands,
    _check_sums,
)
CURL = Side("curl", f"curl --parallel {DOWNLOADS}", _curl, _check_files)
WGET = Side("wget", f"one at a time, {DOWNLOADS}", _wget, _check_files)
ARIA2C = Side("aria2c", DOWNLOADS, _aria2c, _check_files)
RCLONE = Side("rclone", f"lists the folder, {DOWNLOADS}", _rclone, _check_files)
