"""Mutants of the archive folder: whole, durable, never changed once a file has its name."""

from __future__ import annotations

from .mutant import Mutant

MUTANTS = (
    Mutant(
        "no-fsync-of-the-file",
        "a file is durable before it has its name",
        "store/scratch.py",
        "                set_mode(file, mode)\n                os.fsync(file)\n",
        "                set_mode(file, mode)\n",
        (
            "store/test_store_faults.py::"
            "test_row_33_the_file_is_durable_before_its_name_exists_and_its_folder_after",
        ),
    ),
    Mutant(
        "no-fsync-of-the-folder",
        "a name is durable before its row, also with the ledger on another file system",
        "store/store.py",
        "                os.fsync(descriptor)\n",
        "                pass\n",
        (
            "store/test_store_faults.py::"
            "test_row_33_the_file_is_durable_before_its_name_exists_and_its_folder_after",
        ),
    ),
    Mutant(
        "failed-fsync-tried-again",
        "after a failed fsync the bytes are written anew, and never taken for durable",
        "store/scratch.py",
        "                set_mode(file, mode)\n                os.fsync(file)\n",
        "                set_mode(file, mode)\n"
        "                try:\n"
        "                    os.fsync(file)\n"
        "                except OSError:\n"
        "                    os.fsync(file)\n",
        (
            "crash/test_crash_keep.py::"
            "test_fault_21_a_download_with_any_error_at_an_fsync_loses_nothing",
            "store/test_store_faults.py::"
            "test_fault_21_a_failing_disk_leaves_nothing_visible_and_is_named_with_a_remedy",
        ),
        ("strace",),
    ),
    Mutant(
        "final-name-written-directly",
        "every file under a final name is whole",
        "store/scratch.py",
        '            os.link(f"/proc/self/fd/{self._file}", name, dst_dir_fd=folder, follow_symlinks=True)\n',
        "            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL\n"
        "            with os.fdopen(os.open(name, flags, 0o440, dir_fd=folder), 'wb') as final:\n"
        "                final.write(os.pread(self._file, self.size, 0))\n"
        "                os.fsync(final.fileno())\n",
        (
            "crash/test_crash_keep.py::"
            "test_fault_25_a_download_killed_at_any_call_of_ours_ends_like_an_undisturbed_one",
        ),
        ("strace",),
    ),
    Mutant(
        "final-name-replaced",
        "a stored file is never changed",
        "store/scratch.py",
        "                raise NameTaken(str(path)) from None\n",
        "                os.unlink(path.name, dir_fd=folder)\n"
        "                self._give_name(folder, path.name)\n",
        (
            "store/test_store_keep.py::"
            "test_a_name_that_is_taken_is_never_replaced_and_the_next_version_is_free",
        ),
    ),
    Mutant(
        "taken-name-believed",
        "a file that lies under the name already is ours only if its SHA-256 is the same",
        "collect.py",
        "                if lying.sha256 != scratch.sha256:\n",
        "                if lying.sha256 == '':\n",
        (
            "passes/test_pass_whole.py::test_invariant_1_what_lies_under_the_next_name_is_not_taken_for_what_was_fetched",
        ),
    ),
    Mutant(
        "adopted-unread",
        "a file that lies there is adopted only if it is a whole zip",
        "present.py",
        "        contents = examine(file, size, check_stop=stop.check_cut)\n",
        "        contents = examine(file, size, check_stop=stop.check_cut) if size < 0 else None\n"
        "        contents = type('Contents', (), {'members': 1})\n",
        (
            "cli/test_cli_verify.py::test_fault_30_a_file_without_a_row_is_adopted_without_a_request",
        ),
    ),
    Mutant(
        "adopted-after-one-look",
        "one wrong reading of a file moves it nowhere",
        "present.py",
        "        while len(wrong) < 2:\n",
        "        while not wrong:\n",
        ("passes/test_adopting.py::test_fault_30_a_file_that_was_read_wrongly_once_is_adopted",),
    ),
    Mutant(
        "zip-check-left-out",
        "what is stored is a whole zip",
        "collect.py",
        "                return examine(file, scratch.size, check_stop=check).members\n",
        "                return len(file.read(1))\n",
        (
            "passes/test_pass_whole.py::test_fault_17_a_damaged_archive_is_not_stored_and_comes_whole_later",
        ),
    ),
    Mutant(
        "crc-not-compared",
        "every member has the CRC that its directory promises",
        "archive/data.py",
        "    if crc != entry.crc:\n",
        "    if crc < 0:\n",
        ("archive/test_archive_traps.py::test_fault_17_a_wrong_crc_is_found_and_kept_as_evidence",),
    ),
    Mutant(
        "bytes-before-the-archive-allowed",
        "every byte of a stored file belongs to its one zip",
        "archive/end.py",
        "    if end.directory + end.length != begins:\n",
        "    if end.directory + end.length > begins:\n",
        ("archive/test_archive_traps.py::test_fault_17_joined_archives_are_refused",),
    ),
    Mutant(
        "bomb-unpacked",
        "a zip bomb is refused before it is unpacked",
        "archive/rules.py",
        "    if unpacked > max(limits.harmless, limits.ratio * size):\n",
        "    if unpacked > limits.uncompressed:\n",
        ("archive/test_archive_traps.py::test_fault_16_a_bomb_is_refused_before_it_is_unpacked",),
    ),
    Mutant(
        "scratch-file-not-locked",
        "a living writer's scratch file is told from a dead one's",
        "store/scratch.py",
        "        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n    except BlockingIOError:\n",
        "        pass\n    except BlockingIOError:\n",
        (
            "store/test_store_tree.py::"
            "test_fault_29_the_scratch_file_of_a_living_sibling_stays_until_it_is_killed",
        ),
    ),
    Mutant(
        "living-scratch-file-swept",
        "a sweep removes only what dead writers left",
        "store/sweep.py",
        "    except BlockingIOError:\n        return False\n",
        "    except BlockingIOError:\n        pass\n",
        (
            "store/test_store_tree.py::"
            "test_fault_29_the_scratch_file_of_a_living_sibling_stays_until_it_is_killed",
        ),
    ),
    Mutant(
        "dead-scratch-file-kept",
        "scratch files of dead writers never outlive the next pass",
        "store/sweep.py",
        "    path.unlink(missing_ok=True)\n    return True\n",
        "    return True\n",
        (
            "store/test_store_tree.py::"
            "test_fault_29_stale_scratch_files_go_and_everything_else_stays",
        ),
    ),
    Mutant(
        "unmounted-volume-filled",
        "an archive whose volume is not mounted is noticed before a pass",
        "store/marker.py",
        "    if found is None:\n        raise _not_mounted(folders, known_id)\n    if found != known_id:\n",
        "    if found is not None and found != known_id:\n",
        ("store/test_store_open.py::test_fault_22_a_volume_that_is_not_mounted_is_noticed",),
    ),
    Mutant(
        "marker-looked-at-once",
        "a volume that is unmounted in the midst of a pass is noticed",
        "store/folders.py",
        "            os.stat(MARKER, dir_fd=root)\n",
        "            os.fstat(root)\n",
        (
            "store/test_store_open.py::test_fault_22_a_volume_that_is_unmounted_in_mid_pass_is_noticed",
        ),
    ),
    Mutant(
        "other-archive-taken",
        "an archive that is not the ledger's is not written to",
        "store/marker.py",
        "    if found != known_id:\n",
        "    if found == '':\n",
        ("store/test_store_open.py::test_another_archive_than_the_ledger_knows_is_refused",),
    ),
    Mutant(
        "links-followed",
        "no link below the root leads archives out of the folder",
        "store/folders.py",
        "    return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)\n",
        "    return os.open(name, _FOLDER, dir_fd=parent)\n",
        (
            "store/test_store_keep.py::"
            "test_a_folder_that_is_a_link_or_a_file_is_refused_and_not_followed",
        ),
    ),
    Mutant(
        "free-space-ignored",
        "min_free stays free",
        "store/store.py",
        "        if free - (size or 0) < self._min_free:\n",
        "        if free < 0:\n",
        (
            "store/test_store_open.py::test_fault_20_space_is_required_for_the_size_besides_the_reserve",
        ),
    ),
    Mutant(
        "damage-not-seen",
        "verify compares the SHA-256, not only the size",
        "service/judge.py",
        "    if (size, sha256) == (archive.size, archive.sha256):\n",
        "    if size == archive.size:\n",
        ("cli/test_cli_verify.py::test_verify_tells_damaged_from_lost_and_exits_4",),
    ),
    Mutant(
        "damaged-file-deleted",
        "a damaged archive goes to quarantine, for a person to look at",
        "service/mending.py",
        '            world.store.quarantine(archive.report, path, "damaged on disk", checked.sha256)\n',
        "            path.unlink()\n",
        (
            "cli/test_cli_verify.py::"
            "test_fault_30_an_altered_file_goes_to_quarantine_and_is_fetched_again",
        ),
    ),
    Mutant(
        "umask-decides",
        "modes are the same under any umask",
        "store/scratch.py",
        "                set_mode(file, mode)\n",
        "",
        ("store/test_store_keep.py::test_fault_22_modes_are_the_same_under_any_umask",),
    ),
    Mutant(
        "sums-left-behind",
        "plain sha256sum -c checks a year after each pass",
        "service/passes.py",
        "        for bring_up_to_date in (write_sums, back_up):\n",
        "        for bring_up_to_date in (back_up,):\n",
        ("cli/test_cli_sync.py::test_sync_lays_archives_out_as_promised",),
    ),
    Mutant(
        "unreadable-taken-for-damaged",
        "an archive that the disk does not give is neither moved nor reopened",
        "service/judge.py",
        "        return Checked(archive, Found.UNREADABLE, error=error)\n",
        "        return Checked(archive, Found.LOST, error=error)\n",
        (
            "passes/test_mending.py::test_an_archive_that_cannot_be_read_is_neither_moved_nor_reopened",
        ),
    ),
    Mutant(
        "one-reading-damns",
        "an archive is set aside only if a second reading finds the same damage",
        "service/judge.py",
        "        if first.found is not Found.DAMAGED:\n",
        "        if first.found is not Found.OK:\n",
        (
            "passes/test_mending.py::"
            "test_fault_30_an_archive_that_was_read_wrongly_once_is_right_and_stays",
        ),
    ),
    Mutant(
        "unmounted-taken-for-lost",
        "the archives of a volume that was unmounted are not lost",
        "service/world.py",
        "        self.store.require(self.archive_id)\n",
        "        self.store.look()\n",
        (
            "passes/test_mending.py::test_archives_of_a_volume_that_was_unmounted_meanwhile_are_not_lost",
        ),
    ),
    Mutant(
        "old-finding-acted-on",
        "a file that was put right since it was judged is not moved",
        "service/mending.py",
        "    return world.store.identity(archive.report, archive.version) == checked.file\n",
        "    return True\n",
        ("passes/test_mending.py::test_a_file_that_was_put_right_meanwhile_is_not_moved",),
    ),
    Mutant(
        "row-believed-against-all-witnesses",
        "a row that the database changed without a word is corrected, its file left alone",
        "service/judge.py",
        "    if _is_witnessed(store, archive, sha256):\n",
        "    if sha256 == archive.sha256:\n",
        (
            "passes/test_mending.py::"
            "test_fault_31_a_row_that_changed_without_a_word_is_corrected_and_its_file_left_alone",
        ),
    ),
)
