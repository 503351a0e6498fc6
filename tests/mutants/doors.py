"""Mutants of the doors: commands, daemon and config."""

from __future__ import annotations

from .mutant import Mutant

MUTANTS = (
    Mutant(
        "sigterm-ignored-in-a-pause",
        "a signal ends what waits between two requests",
        "collect.py",
        "        if self._tools.stop.wait(pause.total_seconds()):\n            raise Stopped",
        "        import time\n\n        time.sleep(pause.total_seconds())\n"
        "        if self._tools.stop.requested:\n            raise Stopped",
        ("cli/test_cli_signals.py::test_fault_26_what_waits_between_two_requests_ends_too",),
    ),
    Mutant(
        "sigterm-told-as-success",
        "a command ended by a signal exits 130 or 143",
        "service/passes.py",
        "            exit=self._world.stop.code or exit_code(found),\n",
        "            exit=exit_code(found),\n",
        ("cli/test_cli_signals.py::test_fault_26_a_signal_ends_the_work_at_any_moment",),
    ),
    Mutant(
        "config-value-in-an-error",
        "no problem of a config shows a value",
        "config/problems.py",
        '    return _WORDS[error["type"]](error) if known else str(error["msg"])\n',
        '    words = _WORDS[error["type"]](error) if known else str(error["msg"])\n'
        "    return f\"{words}: {error['input']}\"\n",
        ("config/test_config_secrets.py::test_no_problem_holds_what_stands_in_a_line",),
    ),
    Mutant(
        "open-config-with-a-secret",
        "a config with a literal secret that others may read is refused",
        "config/secrets.py",
        "    if not mode & READABLE_BY_OTHERS:\n",
        "    if mode:\n",
        (
            "config/test_config_secrets.py::test_a_literal_secret_in_a_file_that_others_may_read_is_refused",
        ),
    ),
    Mutant(
        "secret-not-remembered",
        "every secret of the config is masked",
        "config/secrets.py",
        "            if part != MASK:\n                remember_secret(part)\n",
        "            if part == MASK:\n                remember_secret(part)\n",
        ("config/test_config_secrets.py::test_a_closed_file_may_hold_secrets_and_they_are_masked",),
    ),
    Mutant(
        "duplicate-key-last-wins",
        "a key that stands twice is a problem",
        "config/document.py",
        "            if key in entries:\n",
        "            if key is None:\n",
        (
            "config/test_config_faults.py::test_fault_35_traps_of_yaml_are_told_with_line_and_column",
        ),
    ),
    Mutant(
        "full-stdout-stops-the-work",
        "a full disk behind stdout does not stop the work",
        "cli/output.py",
        "    except OSError as error:\n        _broken[id(stream)] = error\n",
        "    except OSError as error:\n        _broken[id(stream)] = error\n        raise\n",
        (
            "cli/test_cli_streams.py::test_fault_24_a_full_disk_behind_stdout_does_not_stop_the_work",
        ),
    ),
    Mutant(
        "second-signal-waits",
        "a second signal ends at once",
        "cli/signals.py",
        "        if stop.requested:\n            os._exit(128 + number)\n",
        "        if stop.requested:\n            continue\n",
        (
            "cli/test_cli_signals.py::test_fault_26_a_second_signal_ends_what_the_first_has_to_wait_for",
        ),
    ),
    Mutant(
        "dead-scheduler-not-seen",
        "a daemon whose scheduler thread is dead ends",
        "daemon/vitals.py",
        "        if not scheduler_is_alive():\n",
        "        if self._clock is None:\n",
        (
            "daemon/test_daemon_supervision.py::test_fault_38_a_dead_scheduler_thread_ends_the_process",
        ),
    ),
    Mutant(
        "swallowed-bug",
        "an error that the scheduler would swallow ends the process",
        "daemon/daemon.py",
        "            self._vitals.end(error)\n",
        "            self._vitals.end()\n",
        (
            "daemon/test_daemon_supervision.py::"
            "test_fault_38_an_error_that_the_scheduler_would_swallow_ends_the_process",
        ),
    ),
    Mutant(
        "invalid-config-taken",
        "a daemon keeps its config while the new one is invalid",
        "daemon/daemon.py",
        '            self._logger.error("config not reloaded, the old one stays", reason=error.message)\n'
        "            return None\n",
        "            return BUG\n",
        ("daemon/test_daemon_signals.py::test_fault_36_a_config_that_became_invalid_is_not_taken",),
    ),
    Mutant(
        "late-alarm-dropped",
        "a wake-up that comes late is as good as one in time",
        "daemon/daemon.py",
        '            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 2},\n',
        '            job_defaults={"misfire_grace_time": 1, "coalesce": True, "max_instances": 2},\n',
        (
            "daemon/test_daemon_schedule.py::"
            "test_fault_27_a_daemon_that_was_stopped_over_the_due_instant_catches_up_at_once",
        ),
    ),
    Mutant(
        "loose-days-accepted",
        "a day is YYYY-MM-DD or YYYYMMDD, in ASCII",
        "cli/days.py",
        '    match = re.fullmatch(r"(\\d{4})-(\\d{2})-(\\d{2})|(\\d{4})(\\d{2})(\\d{2})", text, re.ASCII)\n',
        '    match = re.fullmatch(r"(\\d{4})-(\\d{2})-(\\d{2})|(\\d{4})(\\d{2})(\\d{2})", text)\n',
        ("cli/test_cli_days.py::test_fault_40_a_day_in_any_other_form_is_a_usage_error",),
    ),
)
