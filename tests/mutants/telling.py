"""Mutants of what is told: hooks until they exit 0, each incident once, no secret and no markup."""

from __future__ import annotations

from .mutant import Mutant

MUTANTS = (
    Mutant(
        "hook-done-before-it-ran",
        "a hook is run again until it exits 0",
        "service/hooks.py",
        "        began = time.monotonic()\n        ended = self._command(delivery, row)\n",
        "        began = time.monotonic()\n"
        "        self._ledger.write(deliveries.delivered, delivery)\n"
        "        ended = self._command(delivery, row)\n",
        (
            "arrivals/test_hooks_whole.py::test_fault_41_a_daemon_killed_in_mid_hook_delivers_the_same_event_again",
        ),
    ),
    Mutant(
        "failed-hook-taken-for-done",
        "a hook that fails is run again with growing pauses",
        "service/hooks.py",
        "        if ended.error is None:\n            self._ledger.write(deliveries.delivered",
        "        if not ended.stopped:\n            self._ledger.write(deliveries.delivered",
        (
            "arrivals/test_outbox.py::"
            "test_fault_41_a_failing_hook_is_run_again_with_growing_pauses_until_it_exits_0",
        ),
    ),
    Mutant(
        "orphan-left-running",
        "never two hooks at once for one event",
        "service/hooks.py",
        "        hook.signal_group(leader, signal.SIGKILL)\n",
        "        pass\n",
        (
            "arrivals/test_outbox.py::"
            "test_an_orphan_of_a_dead_owner_is_ended_before_its_arrival_is_delivered_again",
        ),
    ),
    Mutant(
        "hook-without-a-time-limit",
        "a hook that hangs is ended with all that it started",
        "announce/hook.py",
        "            if time.monotonic() >= limit:\n                gone = self._end(stop)\n",
        "            if time.monotonic() >= limit + 20:\n                gone = self._end(stop)\n",
        (
            "arrivals/test_hook_command.py::test_fault_41_a_hanging_command_is_ended_with_all_that_it_started",
        ),
    ),
    Mutant(
        "secrets-handed-to-the-hook",
        "a hook inherits nothing but a few harmless variables",
        "announce/hook.py",
        '        name: value for name, value in own.items() if name in PASSED_ON or name.startswith("LC_")\n',
        "        name: value for name, value in own.items() if name\n",
        (
            "arrivals/test_hook_command.py::"
            "test_nothing_of_our_environment_is_inherited_but_a_few_harmless_variables",
        ),
    ),
    Mutant(
        "incident-told-twice",
        "what one process hands to the channels no other sends as well",
        "incidents/review.py",
        "    if incident.handed is not None and timedelta(0) <= now - incident.handed < HANDED_FOR:\n",
        "    if incident.handed is not None and now < incident.handed:\n",
        ("announce/test_incident_passes.py::test_two_processes_at_once_send_one_notice",),
    ),
    Mutant(
        "reminder-with-every-pass",
        "an incident is told once and then daily",
        "incidents/review.py",
        "    return end or incident.told is None or now - incident.told >= REMIND_EVERY\n",
        "    return True\n",
        ("announce/test_incident_review.py::test_row_39_a_reminder_comes_daily_and_not_before",),
    ),
    Mutant(
        "late-report-not-told",
        "a report still missing alert_after its due instant is an incident",
        "incidents/causes.py",
        "    through = last_due(now - one.app.alert_after, one.app)\n",
        "    through = last_due(now - 2 * one.app.alert_after, one.app)\n",
        (
            "announce/test_incident_review.py::"
            "test_fault_10_a_report_still_missing_alert_after_its_due_instant_is_an_incident",
        ),
    ),
    Mutant(
        "notice-taken-for-told",
        "a notice that no channel took is told by the next pass",
        "announce/post.py",
        "            if not letter.arrived:\n                found.failed.append(letter.notice)\n",
        "            if not letter.arrived:\n                found.arrived.append(letter.notice)\n",
        (
            "announce/test_incident_passes.py::test_fault_42_an_opening_that_nobody_took_is_told_by_the_next_pass",
        ),
    ),
    Mutant(
        "signature-not-masked",
        "a signature is masked however it is written",
        "redact.py",
        '    text = _SIGNATURE.sub(rf"\\g<1>{MASK}", _known.mask(text))\n',
        "    text = _known.mask(text)\n",
        ("decisions/test_redact.py::test_a_signature_is_masked_however_it_is_written",),
    ),
    Mutant(
        "secret-hidden-by-invisible-letters",
        "a secret behind characters that vanish is masked",
        "redact.py",
        '    text = _DIGEST.sub(MASK, mask(" ".join("".join(visible).split())))\n',
        '    text = _DIGEST.sub(MASK, " ".join("".join(visible).split()))\n',
        ("decisions/test_redact.py::test_a_secret_behind_characters_that_vanish_is_still_masked",),
    ),
    Mutant(
        "controls-not-cleaned",
        "controls and bidi marks in vendor text become blanks",
        "redact.py",
        '    visible = (" " if unicodedata.category(char) in _INVISIBLE else char for char in text)\n',
        "    visible = iter(text)\n",
        ("decisions/test_redact.py::test_fault_43_controls_bidi_marks_and_newlines_become_blanks",),
    ),
    Mutant(
        "markup-not-escaped",
        "vendor text is escaped on every page",
        "web/pages.py",
        "            autoescape=True,\n",
        "            autoescape=False,\n",
        ("web/test_web_pages.py::test_fault_43_vendor_text_is_escaped_and_cut_on_every_page",),
    ),
    Mutant(
        "damage-shown-as-stored",
        "a day whose archive is known to be damaged is marked as such",
        "known.py",
        "    damaged = tuple(day for day in spoilt if app.since <= day <= last)\n",
        "    damaged = tuple(day for day in spoilt if last < day <= app.since)\n",
        (
            "decisions/test_known.py::"
            "test_a_damaged_day_counts_as_stored_and_is_told_apart_until_it_is_fetched_anew",
            "web/test_web_pages.py::test_damage_is_shown_where_its_day_stands_until_it_is_mended",
        ),
    ),
    Mutant(
        "foreign-host-answered",
        "a foreign Host header is refused",
        "web/hosts.py",
        '    return not is_loopback(listen) and (_is_address(host) or "." not in host)\n',
        "    return True\n",
        ("web/test_web_server.py::test_fault_39_a_foreign_host_is_refused_on_every_path",),
    ),
    Mutant(
        "health-blind-to-a-stall",
        "health turns when nothing has succeeded for too long",
        "web/health.py",
        "    if stuck is not None:\n",
        "    if stuck is not None and live.last_pass is None:\n",
        (
            "web/test_web_health.py::"
            "test_health_fails_when_nothing_has_succeeded_for_too_long_whatever_the_passes_say",
        ),
    ),
    Mutant(
        "slow-client-kept",
        "a client that drips is cut off",
        "web/server.py",
        "        self._cut_off(before=time.monotonic() - CONVERSATION_SECONDS)\n",
        "",
        (
            "web/test_web_server.py::"
            "test_fault_39_a_client_that_drips_is_cut_off_after_a_whole_conversations_time",
        ),
    ),
)
