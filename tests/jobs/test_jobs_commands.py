"""Every command line in jobs/ is one that the real parser takes."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from job_commands import command_lines

from reportsync.cli.main import COMMANDS, cli

SPEAKING = (
    "systemd/reportsync.service",
    "systemd/reportsync-backfill@.service",
    "systemd/reportsync",
    "systemd/config.yaml",
    "compose/compose.yaml",
    "kubernetes/storage-and-config.yaml",
    "kubernetes/daemon.yaml",
    "kubernetes/cronjob.yaml",
    "kubernetes/backfill.yaml",
    "cron/crontab",
    "prometheus/alerts.yaml",
    "backfill/README.md",
)


def parse(words: list[str]) -> list[str]:
    """Parse a command line as the program does, without running it; return the names of its commands."""
    names: list[str] = []
    command: click.Command = cli
    parent: click.Context | None = None
    rest = words
    while True:
        try:
            parent = command.make_context(command.name or "reportsync", list(rest), parent=parent)
        except click.exceptions.Exit:  # --help
            return names
        if not isinstance(command, click.Group):
            return names
        rest = [*parent._protected_args, *parent.args]
        name, inner, rest = command.resolve_command(parent, rest)
        assert name is not None
        assert inner is not None
        names.append(name)
        command = inner


def all_lines(jobs: Path) -> list[tuple[str, list[str]]]:
    """Return each file's name and the arguments of each command line in it."""
    files = sorted(path for path in jobs.rglob("*") if path.is_file())
    return [(str(path.relative_to(jobs)), words) for path in files for words in command_lines(path)]


def test_every_command_line_is_one_that_the_program_takes(jobs: Path) -> None:
    lines = all_lines(jobs)
    wrong = []
    for name, words in lines:
        try:
            assert parse(words), "only options"
        except (click.ClickException, AssertionError) as error:
            wrong.append(f"{name}: reportsync {' '.join(words)}: {error}")
    assert wrong == []
    assert len(lines) >= 80
    assert {name for name, _ in lines} >= set(SPEAKING)


def test_the_lines_speak_of_the_commands_that_an_operator_needs(jobs: Path) -> None:
    used = {parse(words)[0] for _, words in all_lines(jobs) if parse(words)}
    assert used <= set(COMMANDS)
    assert used >= {
        "run", "sync", "backfill", "status", "why", "plan", "check", "verify", "repair", "waive",
        "unwaive", "health", "config",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.service", "ExecStart=/opt/reportsync/bin/reportsync run --no-such-option"),
        ("README.md", "```console\n$ reportsync backfil --since 2026-11-01\n```"),
        ("README.md", "Run `reportsync sync --since 2026-11-01` for it."),
        ("y.yaml", "spec: {containers: [{args: [backfill]}]}"),
        ("y.yaml", "# Or: kubectl exec deploy/reportsync -- reportsync backfill --sinc 2026-11-01"),
        ("crontab", "20 * * * *  out=$(reportsync -x sync 2>&1) || [ $? -eq 3 ]"),
    ],
)
def test_a_wrong_line_is_noticed(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    ((_, words),) = all_lines(tmp_path)
    with pytest.raises(click.ClickException):
        parse(words)
