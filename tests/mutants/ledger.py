"""Mutants of the ledger: a row is true, and two processes never undo each other's work."""

from __future__ import annotations

from .mutant import Mutant

MUTANTS = (
    Mutant(
        "row-before-file",
        "a row says stored only if the file is there",
        "collect.py",
        "        version = self._named(scratch, first)\n"
        "        archive = Archive(self._report, version, scratch.size, scratch.sha256, members)\n"
        "        # What had been lost and is there again is nothing new.\n"
        "        outcome = Outcome.VERSION if held and not lost else Outcome.STORED\n"
        "        return self._record(archive, outcome, received)\n",
        "        archive = Archive(self._report, first, scratch.size, scratch.sha256, members)\n"
        "        outcome = Outcome.VERSION if held else Outcome.STORED\n"
        "        attempt = self._attempt(outcome, received.status, archive.size)\n"
        "        done = self._tools.ledger.write(records.record_archive, self._claim, attempt, archive)\n"
        "        version = self._named(scratch, first)\n"
        "        self._tools.store.make_durable([self._tools.store.path(self._report, version)])\n"
        "        return replace(\n"
        "            self._ended(attempt, done.attempts), sha256=archive.sha256, version=version,\n"
        "            arrival=done.arrival, flags=done.flags, stored=True,\n"
        "        )\n",
        (
            "crash/test_crash_keep.py::"
            "test_fault_25_a_download_killed_at_any_call_of_ours_ends_like_an_undisturbed_one",
        ),
        ("strace",),
    ),
    Mutant(
        "row-before-durable-name",
        "names are durable before their rows are committed",
        "ledger/batch.py",
        "            self._make_durable(file for entry in entries for file in entry.files)\n        for",
        "        self._make_durable(file for entry in entries for file in entry.files)\n        for",
        ("ledger/test_ledger_writes.py::test_names_are_durable_before_the_row_is_committed",),
    ),
    Mutant(
        "claim-without-token",
        "a late owner records nothing over its successor",
        "ledger/claims.py",
        '_MINE = sa.and_(of_report(claims), claims.c.token == sa.bindparam("my_token"))\n',
        '_MINE = sa.and_(of_report(claims), sa.func.length(sa.bindparam("my_token")) > 0)\n',
        (
            "ledger/test_ledger_claims.py::"
            "test_invariant_7_a_late_owner_records_nothing_over_its_successor",
        ),
    ),
    Mutant(
        "transactions-deferred",
        "what a writer read has not changed when it writes",
        "ledger/ledger.py",
        '"BEGIN" if view else "BEGIN IMMEDIATE"',
        '"BEGIN"',
        ("ledger/test_ledger_writes.py::test_fault_28_several_processes_lose_no_update",),
    ),
    Mutant(
        "claim-of-the-living-taken-over",
        "a live process's claim is respected until its lease ends",
        "ledger/claims.py",
        "    if believed and not is_dead(owner):\n",
        "    if believed and is_dead(owner):\n",
        ("ledger/test_ledger_claims.py::test_row_45_a_claim_of_a_live_process_is_respected",),
    ),
    Mutant(
        "claim-of-the-dead-respected",
        "a dead process's claim is taken over at once",
        "ledger/claims.py",
        "    if believed and not is_dead(owner):\n",
        "    if believed:\n",
        (
            "ledger/test_ledger_claims.py::"
            "test_row_l_the_claim_of_a_dead_process_is_taken_over_at_once",
        ),
    ),
    Mutant(
        "lease-without-an-end",
        "a lease that has run out frees the report",
        "ledger/claims.py",
        "held is not None and now < lease_end <= now + max(lease, LONGEST_LEASE)\n",
        "held is not None and lease_end <= now + max(lease, LONGEST_LEASE)\n",
        ("ledger/test_ledger_claims.py::test_a_lease_that_has_run_out_frees_the_report",),
    ),
    Mutant(
        "lease-of-a-wrong-clock-believed",
        "a lease written while the clock was ahead holds up nobody",
        "ledger/claims.py",
        "held is not None and now < lease_end <= now + max(lease, LONGEST_LEASE)\n",
        "held is not None and now < lease_end\n",
        (
            "ledger/test_ledger_claims.py::"
            "test_fault_33_a_lease_written_by_a_clock_that_was_ahead_does_not_hold",
        ),
    ),
    Mutant(
        "attempts-begin-anew",
        "attempts never decrease",
        "ledger/records.py",
        '_STORED = Hot(_ATTEMPTED.values(state="stored", tries=0, next_attempt=None))\n',
        '_STORED = Hot(_ATTEMPTED.values(state="stored", attempts=0, tries=0, next_attempt=None))\n',
        (
            "ledger/test_ledger_records.py::"
            "test_invariant_9_attempts_never_decrease_and_states_change_only_for_their_reasons",
            "simulation/test_simulation.py::test_no_day_is_lost_in_a_short_life",
        ),
    ),
    Mutant(
        "failure-reopens-a-stored-day",
        "a stored report that is asked for again in vain stays stored",
        "ledger/records.py",
        'sa.bindparam("more_tries"), **given("next_attempt"))\n',
        'sa.bindparam("more_tries"), state="missing", **given("next_attempt"))\n',
        (
            "ledger/test_ledger_records.py::test_asked_for_again_in_vain_a_stored_report_stays_stored",
        ),
    ),
    Mutant(
        "hole-between-two-ranges",
        "every day between an app's first and its last due one has a row",
        "ledger/records.py",
        "_Span(span.app, row.through + ONE_DAY, span.through)",
        "_Span(span.app, row.through + 2 * ONE_DAY, span.through)",
        (
            "ledger/test_ledger_records.py::test_days_get_their_rows_once_and_the_range_grows_both_ways",
        ),
    ),
    Mutant(
        "lost-file-forgotten",
        "a day whose file is lost is missing again",
        "ledger/records.py",
        '    .where(of_report(reports), reports.c.state == "stored")\n',
        '    .where(of_report(reports), reports.c.state == "missing")\n',
        ("cli/test_cli_verify.py::test_fault_30_a_lost_file_is_fetched_again",),
    ),
    Mutant(
        "replaced-ledger-written-to",
        "a ledger that was deleted or replaced takes no more commits",
        "ledger/ledger.py",
        "            yield connection\n            self._refuse_replaced()\n",
        "            yield connection\n",
        (
            "ledger/test_ledger_place.py::"
            "test_fault_31_a_ledger_deleted_or_replaced_in_the_midst_of_a_write_says_so_and_commits_nothing",
        ),
    ),
    Mutant(
        "newer-schema-accepted",
        "a ledger of a newer program is left as it is",
        "ledger/migrate.py",
        "        if found > HEAD:\n            raise _newer(name, found)\n        if found not",
        "        if found > HEAD:\n            return\n        if found not",
        (
            "ledger/test_ledger_migrate.py::test_fault_31_a_newer_schema_is_refused_and_left_byte_for_byte",
        ),
    ),
    Mutant(
        "foreign-file-taken-for-a-ledger",
        "what is not SQLite is refused and left as it is",
        "ledger/place.py",
        "    if looks_like_sqlite(path) is False:\n",
        "    if looks_like_sqlite(path) is None:\n",
        (
            "ledger/test_ledger_place.py::test_fault_31_what_is_not_sqlite_is_refused_and_left_as_it_is",
        ),
    ),
    Mutant(
        "backup-by-copying",
        "a backup is consistent whoever writes",
        "ledger/backup.py",
        "            old.backup(new)\n",
        "            scratch.write_bytes(source.read_bytes())\n",
        (
            "ledger/test_ledger_backup.py::test_a_backup_holds_nothing_that_a_killed_writer_left_half_done",
        ),
    ),
    Mutant(
        "old-journal-left-behind",
        "the journal of a lost ledger is not played into its successor",
        "ledger/backup.py",
        '        ledger.with_name(f"{ledger.name}-journal").unlink(missing_ok=True)\n',
        "",
        (
            "ledger/test_ledger_backup.py::"
            "test_a_journal_left_by_a_lost_ledger_is_not_played_into_its_successor",
        ),
    ),
    Mutant(
        "damaged-backup-put-back",
        "a backup that is no whole ledger is passed over for an older one",
        "ledger/backup.py",
        "    found = (one for one in backups(folder) if is_whole(one))\n",
        "    found = iter(backups(folder))\n",
        (
            "ledger/test_ledger_backup.py::"
            "test_a_backup_that_is_no_whole_ledger_is_passed_over_for_an_older_one",
        ),
    ),
    Mutant(
        "network-disk-accepted",
        "a ledger on a network disk, whose locks SQLite cannot trust, is refused",
        "ledger/place.py",
        "    if kind in _NETWORK:\n",
        "    if kind == 'none':\n",
        ("ledger/test_ledger_place.py::test_a_network_disk_is_refused_and_a_local_one_is_not",),
    ),
    Mutant(
        "neighbours-taken-down",
        "one bad operation of a shared commit leaves its neighbours alone",
        "ledger/batch.py",
        "                bad = [entry for entry in entries if entry.error is not None] or entries\n",
        "                bad = list(entries)\n",
        ("ledger/test_ledger_writes.py::test_one_bad_operation_does_not_take_its_neighbours_down",),
    ),
    Mutant(
        "ledger-open-to-all",
        "ledger and backups are for their owner alone",
        "ledger/place.py",
        "            os.fchmod(descriptor, 0o600)\n",
        "            os.fchmod(descriptor, 0o644)\n",
        ("ledger/test_ledger_place.py::test_the_ledger_is_for_its_owner_alone_whatever_the_umask",),
    ),
    Mutant(
        "commits-not-synced",
        "a commit outlives a power cut",
        "ledger/ledger.py",
        '        connection.execute("PRAGMA synchronous = EXTRA").close()\n',
        '        connection.execute("PRAGMA synchronous = OFF").close()\n',
        (
            "ledger/test_ledger_writes.py::test_a_commit_waits_for_the_disk_also_for_the_end_of_its_journal",
        ),
    ),
    Mutant(
        "vanished-row-not-missed",
        "a day whose row has vanished is not taken for stored",
        "ledger/audit.py",
        "        if row.there == (row.through - row.first).days + 1:\n",
        "        if row.there:\n",
        (
            "passes/test_mending.py::"
            "test_fault_31_days_that_vanished_from_the_ledger_are_not_taken_for_stored",
        ),
    ),
    Mutant(
        "stored-without-an-archive-believed",
        "a stored report without an archive is reopened",
        "ledger/audit.py",
        "        records.reopen(connection, report)\n",
        "        pass\n",
        (
            "passes/test_mending.py::"
            "test_fault_31_a_stored_report_without_an_archive_is_reopened_and_the_reverse_is_closed",
        ),
    ),
    Mutant(
        "damaged-ledger-not-read",
        "of a damaged ledger nothing is lost that it still gives",
        "ledger/merge.py",
        '        added["reports"] = _merge_reports(target, found.get("reports", _NONE).good)\n',
        '        added["reports"] = _merge_reports(target, ())\n',
        (
            "passes/test_rebuild.py::"
            "test_fault_31_row_h_of_a_damaged_ledger_nothing_is_lost_that_it_or_its_backup_still_gives",
        ),
    ),
    Mutant(
        "ledger-rebuilt-under-a-writer",
        "what is written while a ledger is rebuilt is in the new one",
        "service/rebuild.py",
        "        with place.without_writers(path) as file, _scratch(",
        "        with path.open('rb') as file, _scratch(",
        (
            "passes/test_rebuild_together.py::"
            "test_fault_31_what_another_process_says_is_written_while_a_ledger_is_rebuilt_is_in_the_new_one",
        ),
    ),
    Mutant(
        "round-sorts-all-archives",
        "a round of verifying reads no more of the ledger than it verifies",
        "ledger/rounds.py",
        'archives.c.app.concat("")',
        "archives.c.app",
        ("passes/test_pass_flat.py::test_ten_times_the_history_costs_no_more[verify]",),
    ),
    Mutant(
        "status-reads-all-archives",
        "status costs the same whatever the history",
        "ledger/overview.py",
        ".where(IS_HELD)",
        ".where(archives.c.held.is_(True))",
        ("passes/test_pass_flat.py::test_ten_times_the_history_costs_no_more[look]",),
    ),
)
