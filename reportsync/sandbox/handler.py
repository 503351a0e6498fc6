"""Reads HTTP requests from a connection and sends the replies; also the operator's side door."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote

from reportsync.errors import UsageProblem
from reportsync.redact import clean
from reportsync.sandbox.answers import Answer, json_answer, refused
from reportsync.sandbox.faults import Fault, parse_faults
from reportsync.sandbox.journal import Request
from reportsync.sandbox.kinds import KINDS, Family
from reportsync.sandbox.vendor import Vendor
from reportsync.sandbox.wire import Line, send, send_badly

_REPORT = re.compile(r"(?:/v1)?/dailyCampaignReportDump/([^/]+)/([^/]+)")
_NO_STATUS = frozenset({"close", "silent", "http09"})
_LARGEST_SPEC = 64 * 1024


class Handler(BaseHTTPRequestHandler):
    """One connection. Nothing is printed: a request line holds a signature."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    _unread = False  # whether a body follows the request, so that the connection cannot go on

    def __init__(
        self,
        request: socket.socket,
        client_address: Any,
        server: Any,
        vendor: Vendor,
        wait: Callable[[float], bool],
    ) -> None:
        self._vendor, self._wait = vendor, wait
        super().__init__(request, client_address, server)

    def handle(self) -> None:
        """Serve requests until either side has enough."""
        try:
            super().handle()
        except OSError:  # the client has gone, or the sandbox stops
            self.close_connection = True

    def do_GET(self) -> None:
        """Answer whatever the method is; the name is what http.server calls."""
        headers = self.headers
        self._unread = headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in headers
        path, _, query = self.path.partition("?")
        report = _REPORT.fullmatch(path)
        if path.startswith("/_sandbox/"):
            self._send(self._operate(path))
        elif report and self.command == "GET":
            self._report(path, unquote(report[1]), unquote(report[2]), query)
        else:
            self._stray(path, 405 if report else 404)

    def _report(self, path: str, app_id: str, name: str, query: str) -> None:
        vendor = self._vendor
        vendor.journal.begin(app_id, name)
        signature = parse_qs(query).get("Signature", [""])[0]
        if vendor.latency:
            self._wait(vendor.latency)
        now = vendor.clock()
        reply = vendor.reply(path, app_id, name, signature, now)
        kind = reply.fault.kind if reply.fault else None
        status = None if kind in _NO_STATUS else reply.answer.status
        vendor.journal.end(app_id, name, now, status, kind)
        if reply.fault and KINDS[reply.fault.kind].family is Family.WIRE:
            self._send_badly(reply.fault, reply.answer)
        else:
            self._send(reply.answer)

    def _stray(self, path: str, status: int) -> None:
        request = Request(self._vendor.clock(), "", clean(path, 100), status)
        self._vendor.journal.note(request)
        message = "Only GET is allowed" if status == 405 else "There is no such endpoint"
        answer = refused(status, message, "")
        allow = (("Allow", "GET"),) if status == 405 else ()
        self._send(Answer(status, answer.body, (*answer.headers, *allow)))

    def _operate(self, path: str) -> Answer:
        """Answer an operator, who sees and changes the faults and sees the requests."""
        if not _is_loopback(self.client_address[0]):
            return refused(403, "Only from the machine itself", "")
        match self.command, path:
            case "GET", "/_sandbox/requests":
                requests = [request.data() for request in self._vendor.journal.requests()]
                return json_answer(200, {"version": 1, "requests": requests})
            case "PUT", "/_sandbox/faults":
                return self._put_faults()
            case "DELETE", "/_sandbox/faults":
                self._vendor.faults.clear()
                return self._faults()
            case "GET", "/_sandbox/faults":
                return self._faults()
        return refused(404, "GET /_sandbox/requests; GET, PUT or DELETE /_sandbox/faults", "")

    def _put_faults(self) -> Answer:
        try:
            self._vendor.faults.replace(*parse_faults(self._body()))
        except UsageProblem as problem:
            return json_answer(400, {"error": problem.message, "hint": problem.hint})
        return self._faults()

    def _faults(self) -> Answer:
        spec = ";\n".join(str(fault) for fault in self._vendor.faults)
        return Answer(200, f"{spec}\n".encode(), (("Content-Type", "text/plain; charset=utf-8"),))

    def _body(self) -> str:
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,9}", length, re.ASCII) or int(length) > _LARGEST_SPEC:
            raise UsageProblem(
                "the faults need a Content-Length of at most 64 KiB",
                hint="curl -X PUT --data-binary SPEC URL",
            )
        self._unread = False
        return self.rfile.read(int(length)).decode(errors="replace")

    def _send(self, answer: Answer) -> None:
        self.close_connection = self.close_connection or self._unread
        line = Line(self.connection, self._wait, self._vendor.clock())
        send(line, answer, close=self.close_connection, body=self.command != "HEAD")

    def _send_badly(self, fault: Fault, answer: Answer) -> None:
        self.close_connection = True
        line = Line(self.connection, self._wait, self._vendor.clock())
        send_badly(line, answer, fault.kind, fault.every)
        # Really closed only without the reader; the server's own way begins with an orderly
        # shutdown, which would come before a reset.
        self.rfile.close()
        self.connection.close()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what http.server cannot make sense of, as JSON."""
        self.close_connection = True
        self._send(refused(code, message or "The request makes no sense", ""))

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


# http.server wants a function for each method, and answers 501 to one that has none.
for _method in ("HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
    setattr(Handler, f"do_{_method}", Handler.do_GET)


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
