"""The sandbox without faults: what the vendor's pages promise, on the wire."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import subprocess
import threading
import time
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sandbox_client import APP, DAY, NOW, OTHER, ask, hear, openssl_sha256, place, status, target

from reportsync.errors import UsageProblem
from reportsync.sandbox import Fault, Request, Sandbox, SandboxApp


def test_a_signed_request_brings_the_zip_with_its_headers(sandbox: Sandbox) -> None:
    response, body = ask(sandbox)
    assert (response.status, response.headers["Content-Type"]) == (200, "application/zip")
    assert int(response.headers["Content-Length"]) == len(body) > 1000
    assert parsedate_to_datetime(response.headers["Date"]) == NOW
    assert body.startswith(b"PK\x03\x04")


def test_the_same_path_works_below_v1(sandbox: Sandbox) -> None:
    assert ask(sandbox, "/v1" + target())[1] == ask(sandbox)[1]


@pytest.mark.tool("openssl")
def test_the_signature_is_the_one_that_openssl_computes(sandbox: Sandbox) -> None:
    signature = openssl_sha256("APPONE|20261120.zip|key-one")
    path = f"/dailyCampaignReportDump/APPONE/20261120.zip?Signature={signature}"
    assert ask(sandbox, path)[0].status == 200


@pytest.mark.tool("curl", "unzip")
def test_curl_downloads_and_unzip_finds_no_error(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "report.zip"
    subprocess.run(["curl", "-fsS", "-o", file, sandbox.url + target()], check=True)
    done = subprocess.run(["unzip", "-t", file], capture_output=True, text=True)
    assert (done.returncode, "No errors detected" in done.stdout) == (0, True)


def test_the_bytes_are_the_same_at_each_request_and_after_a_restart(sandbox: Sandbox) -> None:
    first = ask(sandbox)[1]
    with Sandbox([APP], clock=lambda: NOW) as second:
        assert ask(sandbox)[1] == first == ask(second)[1]
    assert ask(sandbox, target(day=date(2026, 11, 19)))[1] != first


@pytest.mark.parametrize(
    "query",
    ["", "Signature=", "Signature=%ff%fe", "signature=" + "0" * 64, "Signature=" + "0" * 64],
)
def test_a_missing_or_wrong_signature_is_refused_with_401(sandbox: Sandbox, query: str) -> None:
    response, body = ask(sandbox, f"/dailyCampaignReportDump/APPONE/20261120.zip?{query}")
    assert (response.status, json.loads(body)["status"]) == (401, "fail")
    assert "Signature" in json.loads(body)["error"]["message"]


def test_the_signature_of_another_day_app_or_key_is_refused(sandbox: Sandbox) -> None:
    path, query = target().split("?")
    assert ask(sandbox, f"{path.replace('1120', '1119')}?{query}")[0].status == 401
    assert ask(sandbox, f"{path.replace('APPONE', 'APPTWO')}?{query}")[0].status == 401
    assert ask(sandbox, target(key="key-two"))[0].status == 401
    assert (
        ask(sandbox, path + "?" + query.upper().replace("SIGNATURE", "Signature"))[0].status == 401
    )


def test_any_of_two_keys_signs() -> None:
    app = SandboxApp("TWOKEYS", ("old", "new"), since=DAY)
    with Sandbox([app], clock=lambda: NOW) as sandbox:
        assert [ask(sandbox, target(app, key=key))[0].status for key in ("old", "new")] == [200] * 2


def test_two_configured_apps_may_share_an_app_id() -> None:
    twin = SandboxApp("APPONE", ("other",), since=DAY)
    with Sandbox([APP, twin], clock=lambda: NOW) as sandbox:
        assert [status(sandbox, app) for app in (APP, twin)] == [200, 200]


def test_an_unknown_app_and_a_bad_name_are_bad_requests(sandbox: Sandbox) -> None:
    stranger = SandboxApp("NOBODY", ("key",), since=DAY)
    response, body = ask(sandbox, target(stranger))
    assert (response.status, json.loads(body)["description"]) == (400, "The APP ID is not known")
    for name in ("20261131.zip", "2026-11-20.zip", "20261120.ZIP", "%D9%A2%D9%A00261120.zip"):
        response, body = ask(sandbox, f"/dailyCampaignReportDump/APPONE/{name}?Signature=x")
        assert (response.status, json.loads(body)["error"]["attribute"]) == (400, "file_name")


def test_days_without_a_report_are_not_found() -> None:
    hole, last = date(2026, 11, 5), date(2026, 11, 10)
    app = SandboxApp("HOLES", ("k",), since=date(2026, 11, 3), until=last, holes=frozenset({hole}))
    days = [2, 3, 4, 5, 6, 10, 11]
    with Sandbox([app], clock=lambda: NOW) as sandbox:
        statuses = [status(sandbox, app, date(2026, 11, day)) for day in days]
        assert statuses == [404, 200, 200, 404, 200, 200, 404]
        for day in (date(9999, 12, 31), date(1, 1, 1)):
            response, body = ask(sandbox, target(app, day))
            assert (response.status, set(json.loads(body))) == (404, {"response_id", "error"})


def test_a_report_appears_when_schedule_and_generation_are_over() -> None:
    india = ZoneInfo("Asia/Kolkata")
    app = SandboxApp(
        "LATE", ("k",), since=DAY, timezone=india, generation_takes=timedelta(minutes=40)
    )
    ready = datetime(2026, 11, 21, 2, 40, tzinfo=india)
    now = [ready - timedelta(seconds=1)]
    with Sandbox([app], clock=lambda: now[0].astimezone(UTC)) as sandbox:
        assert status(sandbox, app) == 404
        now[0] = ready
        assert status(sandbox, app) == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_other_methods_are_not_allowed(sandbox: Sandbox, method: str) -> None:
    response, body = ask(sandbox, method=method, body=None if method == "HEAD" else "x" * 100)
    assert (response.status, response.headers["Allow"]) == (405, "GET")
    assert bool(body) == (method != "HEAD")


def test_other_paths_are_not_found_and_what_is_no_http_is_refused(sandbox: Sandbox) -> None:
    assert ask(sandbox, "/")[0].status == 404
    with socket.create_connection(place(sandbox), timeout=5) as connection:
        connection.sendall(b"NONSENSE\r\n\r\n")
        assert b"400 Bad Request" in connection.recv(4096)
    assert ask(sandbox, method="BREW")[0].status == 501


def test_one_connection_serves_many_requests(sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection(*place(sandbox), timeout=5)
    for day in (DAY, date(2026, 11, 2), DAY):
        connection.request("GET", target(day=day))
        assert connection.getresponse().read().startswith(b"PK")
        own = connection.sock.getsockname()
        connection.request("GET", "/dailyCampaignReportDump/APPONE/bad")
        assert connection.getresponse().read()
        assert connection.sock.getsockname() == own
    connection.close()


def test_the_log_tells_what_was_asked_and_never_a_signature(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("cut", app="shop-in"))
    signature = target().partition("=")[2]
    ask(sandbox)
    ask(sandbox, f"/elsewhere/Signature={signature}?Signature={signature}")
    hear(sandbox, target(OTHER), closes=True)
    assert sandbox.requests == (
        Request(NOW, "APPONE", "20261120.zip", 200),
        Request(NOW, "", "/elsewhere/Signature=***", 404),
        Request(NOW, "APPTWO", "20261120.zip", 200, "cut"),
    )
    assert sandbox.asked("APPONE", DAY) == sandbox.asked("APPTWO", DAY) == 1
    assert sandbox.asked("APPONE", date(2026, 11, 19)) == 0


def test_hostile_names_are_cleaned_in_the_log(sandbox: Sandbox) -> None:
    ask(sandbox, "/dailyCampaignReportDump/%1b%5b2J%E2%80%AE/" + "y" * 3000)
    (request,) = sandbox.requests
    assert request.app_id == "[2J"
    assert len(request.name) == 100


def test_whoever_listens_is_told_of_each_request() -> None:
    told: list[Request] = []
    with Sandbox([APP], clock=lambda: NOW, on_request=told.append) as sandbox:
        status(sandbox)
        assert tuple(told) == sandbox.requests
        assert len(told) == 1


def test_a_report_asked_for_twice_at_once_is_noticed() -> None:
    with Sandbox([APP, OTHER], clock=lambda: NOW, latency=0.1) as sandbox:
        for apps, doubled in (((APP, OTHER), set()), ((APP, APP), {("APPONE", "20261120.zip")})):
            threads = [threading.Thread(target=status, args=(sandbox, app)) for app in apps]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sandbox.journal.most_at_once() == 2
            assert sandbox.journal.doubled() == doubled


def test_latency_is_waited_for_before_each_answer() -> None:
    with Sandbox([APP], clock=lambda: NOW, latency=0.05) as sandbox:
        started = time.monotonic()
        status(sandbox)
        assert time.monotonic() - started >= 0.05


def test_bigger_reports_can_be_asked_for() -> None:
    with Sandbox([APP], clock=lambda: NOW, report_size=300_000) as sandbox:
        first, second = ask(sandbox)[1], ask(sandbox)[1]
        assert first == second
        assert 300_000 <= len(first) < 330_000


def test_a_taken_port_is_a_usage_problem_and_a_restart_keeps_the_port() -> None:
    sandbox = Sandbox([APP], clock=lambda: NOW)
    sandbox.start()
    url = sandbox.url
    sandbox.start()
    assert sandbox.url == url
    with pytest.raises(UsageProblem, match="cannot listen"), Sandbox([], port=place(sandbox)[1]):
        pass
    sandbox.stop()
    sandbox.stop()
    with pytest.raises(ConnectionRefusedError):
        status(sandbox)
    with sandbox:
        assert (sandbox.url, status(sandbox)) == (url, 200)


def test_a_port_that_cannot_be_is_a_usage_problem() -> None:
    with pytest.raises(UsageProblem, match="70000"), Sandbox([APP], port=70000):
        pass


def test_it_listens_on_ipv6_loopback_or_says_that_it_cannot() -> None:
    sandbox = Sandbox([APP], clock=lambda: NOW, host="::1")
    try:
        sandbox.start()
    except UsageProblem as problem:  # a machine without IPv6
        assert "::1" in problem.message
        return
    assert sandbox.url.startswith("http://[::1]:")
    assert [status(sandbox), ask(sandbox, "/_sandbox/faults")[0].status] == [200, 200]
    sandbox.stop()


def own_address() -> str:
    """Return an address of this machine by which others reach it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; it only chooses the way out
        except OSError:
            pytest.skip("this machine has no network but loopback")
        return str(probe.getsockname()[0])


def test_only_the_machine_itself_may_switch_faults() -> None:
    with Sandbox([APP], clock=lambda: NOW, host="0.0.0.0") as sandbox:
        connection = http.client.HTTPConnection(own_address(), place(sandbox)[1], timeout=5)
        connection.request("PUT", "/_sandbox/faults", body="500")
        assert connection.getresponse().status == 403
        connection.close()
        assert status(sandbox) == 200


def test_faults_can_be_switched_over_http(sandbox: Sandbox) -> None:
    spec = "429:times=2,retry_after=5;\n cut:day=2026-11-01"
    response, body = ask(sandbox, "/_sandbox/faults", "PUT", spec)
    assert (response.status, body) == (200, b"429:times=2,retry_after=5;\ncut:day=2026-11-01\n")
    assert list(sandbox.faults) == [
        Fault("429", times=2, retry_after="5"),
        Fault("cut", day=date(2026, 11, 1)),
    ]
    assert status(sandbox) == 429
    assert ask(sandbox, "/_sandbox/faults")[1] == body
    assert ask(sandbox, "/_sandbox/faults", "DELETE")[1] == b"\n"
    assert (len(sandbox.faults), status(sandbox)) == (0, 200)


def test_a_wrong_spec_over_http_is_explained_and_changes_nothing(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("500"))
    response, body = ask(sandbox, "/_sandbox/faults", "PUT", "drop:every=1")
    assert (response.status, json.loads(body)["hint"]) == (400, "did you mean drip?")
    for length in ("Content-Length: 99999999", "Content-Length: -1", "Transfer-Encoding: chunked"):
        with socket.create_connection(place(sandbox), timeout=5) as connection:
            connection.sendall(f"PUT /_sandbox/faults HTTP/1.1\r\n{length}\r\n\r\n".encode())
            answer = connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 400")
            assert b"Connection: close" in answer
    assert list(sandbox.faults) == [Fault("500")]


def test_the_requests_are_read_over_http_without_signatures(sandbox: Sandbox) -> None:
    status(sandbox)
    _, body = ask(sandbox, "/_sandbox/requests")
    request = {
        "at": "2026-11-23T12:00:00Z", "app_id": "APPONE", "name": "20261120.zip",
        "status": 200, "fault": None,
    }  # fmt: skip
    assert json.loads(body) == {"version": 1, "requests": [request]}
    assert ask(sandbox, "/_sandbox/other")[0].status == 404


def test_nothing_is_printed(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    status(sandbox)
    ask(sandbox, "/nowhere")
    with socket.create_connection(place(sandbox)) as connection:
        connection.sendall(b"\r\n\x00nonsense" + hashlib.sha256(b"").hexdigest().encode())
    hear(sandbox)
    assert capfd.readouterr() == ("", "")
