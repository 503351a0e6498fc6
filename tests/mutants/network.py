"""Mutants of the way to the vendor: bounded, verified, discreet, and asked no more than is polite."""

from __future__ import annotations

from .mutant import Mutant

MUTANTS = (
    Mutant(
        "signature-in-an-exception",
        "no signature appears in an exception",
        "sources/faults.py",
        "    return TransientFault(_cause(links, host, read_timeout) + after)\n",
        "    return TransientFault(_cause(links, host, read_timeout) + after + f' ({error})')\n",
        (
            "sources/test_source_secrets.py::test_no_failed_handshake_shows_the_key_or_the_signature",
        ),
    ),
    Mutant(
        "signed-address-as-the-context",
        "no exception keeps the signed address as its context",
        "sources/http.py",
        "            failure = _failure(error, host, watch, self._http)\n        else:\n",
        "            raise _failure(error, host, watch, self._http)\n        else:\n",
        (
            "sources/test_source_secrets.py::test_no_failed_connection_shows_the_key_or_the_signature",
        ),
    ),
    Mutant(
        "echoed-digest-not-masked",
        "what could be a signature is masked in what the vendor says",
        "redact.py",
        "    text = _DIGEST.sub(MASK, mask(",
        "    text = str(mask(",
        (
            "decisions/test_redact.py::"
            "test_what_could_be_a_signature_is_masked_in_foreign_text_wherever_it_stands",
        ),
    ),
    Mutant(
        "signature-logged-below",
        "no signature appears in the log of a library",
        "sources/wire.py",
        "        record.msg, record.args = clean(record.getMessage()), ()\n",
        "",
        ("sources/test_source_secrets.py::test_a_success_shows_neither_key_nor_signature",),
    ),
    Mutant(
        "redirects-followed",
        "a redirect is never followed, the signature never forwarded",
        "sources/http.py",
        "            raw: HTTPResponse = response.raw\n            return raw\n",
        "            raw: HTTPResponse = response.raw\n"
        "            if raw.status in (301, 302, 307, 308) and 'http://' in raw.headers['location']:\n"
        "                return self._send(raw.headers['location'], host, watch)\n"
        "            return raw\n",
        ("sources/test_source_faults.py::test_fault_14_redirects_are_named_and_never_followed",),
    ),
    Mutant(
        "encoding-asked-for",
        "no encoding is asked for",
        "sources/http.py",
        '    "Accept-Encoding": "identity",\n',
        '    "Accept-Encoding": "gzip, deflate",\n',
        ("sources/test_source_daily.py::test_the_request_is_what_the_vendor_documents",),
    ),
    Mutant(
        "short-body-accepted",
        "a body shorter than its declared length is a fault",
        "sources/http.py",
        "            failure = _failure(error, self.host, self.watch, self._http, self.received)\n",
        "            if not self.received:\n"
        "                failure = _failure(error, self.host, self.watch, self._http, self.received)\n",
        (
            "sources/test_source_faults.py::test_fault_06_bodies_that_do_not_come_to_their_end_are_faults",
        ),
    ),
    Mutant(
        "long-body-accepted",
        "a body longer than its declared length is a fault",
        "sources/wire.py",
        "            if self.length == 0 and self._more_is_there():\n",
        "            if self.length == -1 and self._more_is_there():\n",
        (
            "sources/test_source_faults.py::test_fault_06_bodies_that_do_not_come_to_their_end_are_faults",
        ),
    ),
    Mutant(
        "cut-headers-accepted",
        "an answer that was cut in its headers is no empty report",
        "sources/wire.py",
        "        if head.cut:\n",
        "        if head is None:\n",
        ("sources/test_source_faults.py::test_fault_04_answers_without_a_head_are_no_reports",),
    ),
    Mutant(
        "headers-without-a-bound",
        "headers are bounded",
        "sources/wire.py",
        "        if self._left < 0:\n",
        "        if self._left < -(2**40):\n",
        ("sources/test_source_faults.py::test_fault_07_header_floods_are_bounded",),
    ),
    Mutant(
        "max-size-ignored",
        "an archive larger than max_size is refused",
        "sources/http.py",
        "        if count > limit:\n",
        "        if count > limit + 2**40:\n",
        ("sources/test_source_daily.py::test_an_archive_that_grows_too_large_is_cut_off",),
    ),
    Mutant(
        "deadline-ignored-in-the-body",
        "a download ends at its deadline, however it wastes time",
        "sources/wire.py",
        "        watch.guard_socket(sock)\n        sock.connect(address)\n",
        "        sock.connect(address)\n",
        ("sources/test_source_deadline.py::test_fault_05_wasted_time_ends_at_the_deadline",),
    ),
    Mutant(
        "tls-not-verified",
        "an unknown issuer is refused",
        "sources/wire.py",
        "            if self._context is None:\n                text = ",
        "            self._context.check_hostname = False\n"
        "            self._context.verify_mode = ssl.CERT_NONE\n"
        "            if self._context is None:\n                text = ",
        ("sources/test_source_tls.py::test_fault_03_an_unknown_issuer_is_refused",),
    ),
    Mutant(
        "wrong-host-trusted",
        "a certificate for another host is refused",
        "sources/wire.py",
        "            if self._context is None:\n                text = ",
        "            self._context.check_hostname = False\n"
        "            if self._context is None:\n                text = ",
        ("sources/test_source_tls.py::test_fault_03_a_certificate_for_another_host_is_refused",),
    ),
    Mutant(
        "pause-not-clamped",
        "a pause that a server asks for is honoured within a day",
        "sources/headers.py",
        "    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_PAUSE.total_seconds()))\n",
        "    return timedelta(seconds=max(seconds, 0.0))\n",
        ("sources/test_source_faults.py::test_fault_11_the_asked_pause_is_honoured_and_clamped",),
    ),
    Mutant(
        "pace-not-kept",
        "a host is asked no faster than the rate allows",
        "sources/pace.py",
        "            self._free_from[key] = turn + amount / self._rate if self._rate else turn\n",
        "            self._free_from[key] = turn\n",
        ("sources/test_source_pace.py::test_turns_come_one_by_one_at_the_rate",),
    ),
    Mutant(
        "environment-trusted",
        "proxies and logins of the environment are not used",
        "sources/http.py",
        '        self._proxies = {"http": http.proxy, "https": http.proxy} if http.proxy else {}\n',
        '        self._proxies = {"http": http.proxy, "https": http.proxy} if http.proxy else {}\n'
        "        self._proxies = self._proxies or requests.utils.getproxies()\n",
        (
            "sources/test_source_daily.py::test_proxies_and_passwords_of_the_environment_are_not_used",
        ),
    ),
    Mutant(
        "404-refuses-the-key",
        "404 on a due day means that it is not there yet",
        "sources/answer.py",
        "    if status in (401, 403):\n",
        "    if status in (401, 403, 404):\n",
        ("sources/test_source_faults.py::test_fault_10_404_and_400_mean_not_there_yet",),
    ),
    Mutant(
        "interim-answer-taken-for-the-answer",
        "the answer is the one behind the interim ones",
        "sources/wire.py",
        "            if not 100 <= status < 200:\n",
        "            if status != 100:\n",
        (
            "sources/test_source_daily.py::test_fault_07_the_answer_is_the_one_behind_the_interim_ones",
        ),
    ),
)
