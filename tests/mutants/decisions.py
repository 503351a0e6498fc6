"""Mutants of the decisions: which day is due, what is asked for now, and when again."""

from __future__ import annotations

from .mutant import Mutant

MUTANTS = (
    Mutant(
        "due-without-the-zone",
        "a day is due at a time of the app's own zone",
        "calendar.py",
        "    local = datetime.combine(day + ONE_DAY, report_time, tzinfo=timezone)\n",
        "    local = datetime.combine(day + ONE_DAY, report_time, tzinfo=UTC)\n",
        ("test_calendar.py::test_row_01_a_report_is_due_at_a_wall_clock_time_summer_and_winter",),
    ),
    Mutant(
        "second-of-two-local-times",
        "of a local time that comes twice the first counts",
        "calendar.py",
        "    return local.replace(fold=0).astimezone(UTC)\n",
        "    return local.replace(fold=1).astimezone(UTC)\n",
        ("test_calendar.py::test_row_02_gap_and_fold_have_one_instant_each",),
    ),
    Mutant(
        "buffer-added-to-local-time",
        "the buffer is added to the instant",
        "calendar.py",
        "    return scheduled(day, schedule) + schedule.buffer\n",
        "    local = scheduled(day, schedule).astimezone(schedule.timezone) + schedule.buffer\n"
        "    return local.astimezone(UTC)\n",
        ("test_calendar.py::test_row_03_the_buffer_is_added_to_the_instant_not_to_the_wall_clock",),
    ),
    Mutant(
        "newest-day-left-out",
        "the newest due day is expected",
        "calendar.py",
        "    while due(day, schedule) > now:\n        day -= ONE_DAY\n    return day\n",
        "    while due(day, schedule) > now:\n        day -= ONE_DAY\n    return day - ONE_DAY\n",
        (
            "test_calendar.py::test_row_05_after_forty_days_asleep_all_forty_days_are_due",
            "simulation/test_simulation.py::test_no_day_is_lost_in_a_short_life",
        ),
    ),
    Mutant(
        "last-day-left-out",
        "the day `until` is expected, too",
        "calendar.py",
        "        day = min(day, app.until)\n",
        "        day = min(day, app.until - ONE_DAY)\n",
        ("test_calendar.py::test_row_07_the_expected_days_begin_with_since_and_end_with_until",),
    ),
    Mutant(
        "unknown-days-dropped",
        "a due day without a row is missing",
        "known.py",
        "    rows = {day: Missing(day) for day in _unknown_days(app.since, last, known)}\n",
        "    rows: dict[date, Missing] = {}\n",
        (
            "decisions/test_known.py::test_invariant_5_stored_missing_and_waived_partition_the_expected_days",
        ),
    ),
    Mutant(
        "waiver-without-an-end",
        "a waiver holds until its date and no longer",
        "model.py",
        "        held = self.until is None or now.astimezone(UTC).date() <= self.until\n",
        "        held = True\n",
        ("decisions/test_known.py::test_row_18_a_waiver_holds_to_the_end_of_its_last_date",),
    ),
    Mutant(
        "waiver-begins-a-day-early",
        "a waiver covers its own days and no other",
        "model.py",
        "        return held and self.first <= day <= self.last\n",
        "        return held and self.first - ONE_DAY <= day <= self.last\n",
        ("decisions/test_known.py::test_a_waiver_covers_its_days_both_ends_included",),
    ),
    Mutant(
        "not-there-taken-for-never",
        "a day that is not there is asked for again, for ever",
        "plan.py",
        "    wanted = [row for row in one.missing if ask.wants(one.app, row.day, now)]\n",
        "    wanted = [\n"
        "        row for row in one.missing if ask.wants(one.app, row.day, now) and not row.waiting\n"
        "    ]\n",
        (
            "passes/test_pass_faults.py::"
            "test_fault_10_a_day_that_is_not_there_waits_with_growing_pauses_for_ever",
            "simulation/test_simulation.py::test_no_day_is_lost_in_a_short_life",
        ),
    ),
    Mutant(
        "pauses-ignored",
        "a missing day is not asked for before its next attempt",
        "plan.py",
        "        if at > now and ask.patient:\n",
        "        if at > now and not ask.patient:\n",
        (
            "decisions/test_plan.py::test_a_pause_is_kept_to_and_a_person_s_ask_does_not_wait_for_it",
        ),
    ),
    Mutant(
        "never-weekly",
        "a day that is not there for 30 days is asked for weekly",
        "retry.py",
        "    if error.trouble is Trouble.NOT_READY and now - due >= LONG_MISSING:\n",
        "    if error.trouble is Trouble.NOT_READY and now - due < timedelta(0):\n",
        (
            "decisions/test_retry.py::"
            "test_fault_10_after_thirty_days_not_there_is_asked_weekly_and_nothing_else_is",
        ),
    ),
    Mutant(
        "always-weekly",
        "only what is not there for 30 days is asked for so seldom",
        "retry.py",
        "    if error.trouble is Trouble.NOT_READY and now - due >= LONG_MISSING:\n",
        "    if now - due >= LONG_MISSING:\n",
        (
            "decisions/test_retry.py::"
            "test_fault_10_after_thirty_days_not_there_is_asked_weekly_and_nothing_else_is",
        ),
    ),
    Mutant(
        "pauses-do-not-grow",
        "pauses between attempts double",
        "retry.py",
        "    factor = 2 ** min(max(times - 1, 0), 62)\n",
        "    factor = 1\n",
        ("decisions/test_retry.py::test_row_22_pauses_between_attempts_double_up_to_the_longest",),
    ),
    Mutant(
        "next-attempt-of-a-wrong-clock-believed",
        "a next attempt written while the clock was ahead is not waited for",
        "retry.py",
        "    return None if next_attempt is None or next_attempt - now > longest else next_attempt\n",
        "    return None if next_attempt is None or longest < WEEKLY else next_attempt\n",
        (
            "decisions/test_retry.py::test_a_next_attempt_further_ahead_than_any_pause_is_not_believed",
        ),
    ),
    Mutant(
        "refused-key-counted-against-the-day",
        "a refused key costs a day nothing",
        "collect.py",
        "        counted = retry.tells_of_day(error)\n",
        "        counted = True\n",
        (
            "passes/test_pass_faults.py::test_fault_09_a_refused_app_is_asked_once_a_pass_and_heals_by_itself",
        ),
    ),
    Mutant(
        "refused-key-tried-for-every-day",
        "a refused key is tried once a pass",
        "service/lanes.py",
        "        if ended.bars_app:\n            self._bar(lane)\n",
        "        if ended.bars_app:\n            lane.barred = False\n",
        (
            "passes/test_pass_faults.py::test_fault_09_a_refused_app_is_asked_once_a_pass_and_heals_by_itself",
        ),
    ),
    Mutant(
        "many-probes-at-once",
        "until the key is accepted an app has one request under way",
        "service/lane.py",
        "        return not self.barred and (self.accepted or self.running == 0)\n",
        "        return not self.barred\n",
        ("service/test_lanes.py::test_until_the_key_is_accepted_an_app_has_one_request_under_way",),
    ),
    Mutant(
        "gap-before-the-newest-day",
        "the newest days go before every gap",
        "service/lanes.py",
        "        return self._next_newest() or self._next_gap()\n",
        "        return self._next_gap() or self._next_newest()\n",
        ("service/test_lanes.py::test_row_14_the_newest_days_go_before_every_gap",),
    ),
    Mutant(
        "newest-day-behind-the-width",
        "a newest day waits for no gap",
        "service/lane.py",
        "        beside = sum(self.asking.values()) if newest else len(self.asking)\n",
        "        beside = len(self.asking)\n",
        (
            "service/test_lanes.py::"
            "test_row_14_a_newest_day_goes_beside_as_many_gaps_as_are_allowed",
        ),
    ),
    Mutant(
        "crowd-before-a-strained-host",
        "no more is claimed ahead of its place than a host is asked for",
        "service/lanes.py",
        "max(min(most, host.width.now - waiting), 0)",
        "max(most, 0)",
        (
            "service/test_lanes_ahead.py::test_no_more_are_handed_out_ahead_than_a_host_is_asked_for",
        ),
    ),
    Mutant(
        "gaps-ahead-of-newest-days",
        "no gap is claimed ahead while a newest day waits for room",
        "service/lanes.py",
        "0 if any(lane.open for lane in self._newest.values()) else self._ahead",
        "self._ahead",
        ("service/test_lanes_ahead.py::test_row_14_newest_days_lose_no_place_to_gaps_ahead",),
    ),
    Mutant(
        "adopted-one-wanted-for-ever",
        "what was handed out ahead and needs no place takes none",
        "service/lanes.py",
        "            self._no_longer_pending(turn.report)\n",
        "",
        ("service/test_lanes_ahead.py::test_what_needs_no_place_after_all_stands_in_nobodys_way",),
    ),
    Mutant(
        "places-by-the-name-of-the-host",
        "places are given in the order of the turns, at all hosts",
        "service/lanes.py",
        "key=lambda one: not one.begun",
        "key=lambda one: one.report.app",
        (
            "service/test_lanes_ahead.py::test_at_the_limit_of_all_hosts_who_waits_longest_goes_first",
        ),
    ),
    Mutant(
        "requests-in-the-order-of-claims",
        "where the rate is the limit, reports are asked for in the order of their turns",
        "service/gauged.py",
        "        if self._lanes.has_place(self._of_thread.report):\n",
        "        if not self._lanes.has_place(self._of_thread.report):\n",
        (
            "passes/test_pass_width.py::"
            "test_row_13_where_the_rate_is_the_limit_reports_are_asked_for_in_their_order",
        ),
    ),
    Mutant(
        "asked-after-its-app-was-barred",
        "what waits for a place is given up when its app is barred",
        "service/lanes.py",
        "        return (self._closed or one.lane.barred) and not one.begun\n",
        "        return self._closed and not one.begun\n",
        (
            "service/test_lanes_ahead.py::"
            "test_fault_12_what_waits_for_a_place_is_given_up_when_its_app_is_barred",
        ),
    ),
    Mutant(
        "asked-after-the-disk-failed",
        "what waits for a place is given up when the disk fails",
        "service/lanes.py",
        "self._fits(host, one.newest) and not self._is_given_up(one)",
        "self._fits(host, one.newest)",
        ("service/test_lanes_ahead.py::test_closed_lanes_give_no_place_though_there_is_room",),
    ),
    Mutant(
        "claims-ahead-at-a-rate",
        "where the rate is the limit, none is claimed before its time",
        "service/passes.py",
        "        ahead = 0 if limited else AHEAD  #",
        "        ahead = AHEAD  #",
        (
            "passes/test_pass_places.py::"
            "test_none_is_claimed_before_its_time_where_it_is_the_rate_that_is_waited_for",
        ),
    ),
    Mutant(
        "force-trusts-the-row",
        "an archive asked for again is unchanged only if its file is there",
        "collect.py",
        "            if is_there(self._tools.store, held[-1], self._tools.stop):\n",
        "            if held:\n",
        (
            "cli/test_cli_backfill.py::"
            "test_fault_30_force_puts_back_an_archive_that_was_lost_or_damaged_unnoticed",
        ),
    ),
    Mutant(
        "later-damage-taken-for-mended",
        "what is found damaged while other damage of its app is open is not taken for mended",
        "service/review.py",
        "    incidents.doubt(connection, seen.damaged, open_before)\n",
        "",
        (
            "announce/test_incident_passes.py::"
            "test_what_is_damaged_while_other_damage_is_open_is_not_over_before_it_is_mended",
        ),
    ),
    Mutant(
        "later-arrival-not-doubted",
        "nor is what came after that damage had been found, and was damaged then",
        "ledger/incidents.py",
        '        archives.c.verified > sa.bindparam("since"),\n',
        '        archives.c.verified > sa.bindparam("since"),\n'
        '        archives.c.stored <= sa.bindparam("since"),\n',
        (
            "announce/test_incident_passes.py::"
            "test_what_came_while_damage_was_open_and_is_damaged_then_is_not_taken_for_mended",
        ),
    ),
    Mutant(
        "damage-from-the-future",
        "damage found under a clock that was ahead ends when it is mended",
        "service/review.py",
        "    if any(one.opened > now for one in open_before):\n",
        "    if False:\n",
        (
            "announce/test_incident_passes.py::"
            "test_fault_33_damage_found_under_a_clock_that_was_ahead_ends_when_it_is_mended",
        ),
    ),
    Mutant(
        "one-app-in-the-way-of-all",
        "what lies in the way of one app holds up no other",
        "service/passes.py",
        "        if isinstance(error, StorageError) and not isinstance(error, Obstructed):\n",
        "        if isinstance(error, StorageError):\n",
        ("passes/test_pass_faults.py::test_what_lies_in_the_way_of_one_app_holds_up_no_other",),
    ),
    Mutant(
        "one-file-ends-a-force",
        "one file that cannot be read keeps no other from being asked for again",
        "present.py",
        "        raise Unreadable(error.message, hint=error.hint) from error\n",
        "        raise\n",
        (
            "cli/test_cli_backfill.py::"
            "test_force_does_not_call_an_archive_unchanged_that_cannot_be_read",
        ),
    ),
    Mutant(
        "failing-forgotten-by-a-reopening",
        "for how long passes have failed outlives a new beginning of the daemon",
        "daemon/__init__.py",
        "Daemon(world, load, logger, metrics, failing_since)",
        "Daemon(world, load, logger, metrics, None)",
        (
            "daemon/test_daemon_vitals.py::"
            "test_invariant_12_for_how_long_passes_fail_outlives_a_new_beginning",
        ),
    ),
    Mutant(
        "claims-kept-after-a-stop",
        "after a stop nobody who waits for a place keeps his claim",
        "service/passes.py",
        "            if self._world.stop.requested:\n                self._lanes.close()",
        "            if False:\n                self._lanes.close()",
        (
            "passes/test_pass_places.py::"
            "test_a_stop_leaves_no_claim_to_who_waits_for_a_place_while_downloads_end",
        ),
    ),
    Mutant(
        "claimed-while-the-host-rests",
        "who has no place yet hears that the host rests before he claims",
        "service/gauged.py",
        "        else:\n            self._source.prepare_turn(app)\n",
        "",
        (
            "passes/test_pass_places.py::"
            "test_fault_11_who_has_no_place_yet_hears_that_the_host_rests_before_the_claim",
        ),
    ),
    Mutant(
        "claimed-after-a-stop",
        "nothing is claimed after a stop",
        "collect.py",
        "    tools.stop.check()\n    report = Report(app.name, day)\n",
        "    report = Report(app.name, day)\n",
        ("passes/test_pass_places.py::test_nothing_is_claimed_after_a_stop",),
    ),
    Mutant(
        "claim-spent-on-the-wait",
        "a claim that waited for the host's turn has its whole lease for the download",
        "collect.py",
        "        if self._started - claimed > RENEWED_AFTER:\n            self._renew()\n",
        "",
        (
            "passes/test_pass_places.py::"
            "test_a_claim_that_waited_for_the_hosts_turn_has_its_whole_lease_again",
        ),
    ),
    Mutant(
        "claim-kept-while-a-host-rests",
        "a host that may not be asked yet leaves no claim",
        "collect.py",
        "            self._tools.ledger.write(claims.release, self._claim)\n            return held",
        "            return held",
        (
            "passes/test_pass_places.py::"
            "test_fault_11_a_host_that_begins_to_rest_costs_no_attempt_and_leaves_no_claim",
        ),
    ),
    Mutant(
        "no-reserved-worker",
        "a worker is kept for days that become due while gaps are being filled",
        "service/lanes.py",
        "        self._reserved = reserved\n",
        "        self._reserved = 0\n",
        (
            "service/test_lanes.py::"
            "test_row_14_a_reserved_worker_is_free_for_a_day_that_becomes_due_meanwhile",
        ),
    ),
    Mutant(
        "strain-changes-nothing",
        "a host that strains is asked for half",
        "width.py",
        "        self.now = max(self.now // 2, 1)\n",
        "        self.now = max(self.now, 1)\n",
        (
            "decisions/test_width.py::test_all_that_is_under_way_halves_it_once",
            "decisions/test_width.py::"
            "test_a_host_that_queues_what_it_gets_is_not_asked_for_ever_more",
        ),
    ),
    Mutant(
        "each-refusal-halves",
        "what is under way when a host strains halves its width once",
        "width.py",
        "        self._mark += 1\n",
        "",
        ("decisions/test_width.py::test_all_that_is_under_way_halves_it_once",),
    ),
    Mutant(
        "damage-outranks-a-refused-key",
        "of several findings 5 goes before 77 before 4 before 3",
        "verdict.py",
        "    if found.rejected:\n",
        "    if found.rejected and not found.damaged:\n",
        (
            "decisions/test_verdict.py::"
            "test_invariant_11_of_several_findings_5_goes_before_77_before_4_before_3",
        ),
    ),
    Mutant(
        "missing-days-told-as-success",
        "a pass exits 3 while any due day is missing",
        "service/passes.py",
        "            missing=bool(missing),\n            rejected",
        "            missing=False,\n            rejected",
        (
            "cli/test_cli_sync.py::"
            "test_sync_exits_3_while_a_due_report_is_missing_even_if_it_is_not_asked_for_this_time",
            "simulation/test_simulation.py::test_no_day_is_lost_in_a_short_life",
        ),
    ),
    Mutant(
        "no-wake-up-when-due",
        "the daemon looks again when a day becomes due",
        "daemon/wake.py",
        "    instants += [found[1] for one in covered if (found := next_due(one.app, planned))]\n",
        "",
        (
            "daemon/test_daemon_wake.py::test_row_01_a_day_that_becomes_due_sooner_is_the_next_wake_up",
        ),
    ),
)
