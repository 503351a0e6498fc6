"""TLS is always verified: who cannot be trusted is refused, and the message says why."""

from __future__ import annotations

import socket
import ssl
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from source_client import MakeClient, Serve, app_at
from source_server import ZIP, Talk, answer, keeps, without_tls

from reportsync.errors import AppRefused, AttemptFailed, Stopped, TransientFault

pytestmark = pytest.mark.tool("openssl")

WHOLE = keeps(answer("200 OK", ZIP))
NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"


class Authority:
    """A CA made for the tests, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "ca.pem"
        self._openssl(
            f"req -x509 {NEW_KEY} -days 30 -subj /CN=test-ca -keyout ca.key -out ca.pem "
            "-addext keyUsage=critical,keyCertSign,cRLSign"
        )

    def context(self, name: str, san: str, *, days: int = 30, own: bool = False) -> ssl.SSLContext:
        """Return a server's context: a certificate for `san`, by this CA or by its `own` key."""
        extensions = (
            f"basicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\nsubjectAltName={san}"
        )
        (self.folder / f"{name}.ext").write_text(extensions + "\n")
        self._openssl(f"req {NEW_KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr")
        signer = f"-signkey {name}.key" if own else "-CA ca.pem -CAkey ca.key -CAcreateserial"
        self._openssl(
            f"x509 -req -in {name}.csr {signer} -days {days} -extfile {name}.ext -out {name}.pem"
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context

    def _openssl(self, words: str) -> None:
        subprocess.run(
            ["openssl", *words.split()], cwd=self.folder, check=True, capture_output=True
        )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def trusted(authority: Authority) -> ssl.SSLContext:
    return authority.context("trusted", "IP:127.0.0.1")


def test_a_ca_of_ones_own_is_trusted_through_ca_file(
    authority: Authority, trusted: ssl.SSLContext, serve: Serve, client: MakeClient
) -> None:
    server, asking = serve(WHOLE, tls=trusted), client(ca_file=authority.file)
    for _ in range(3):
        assert asking.fetch(app_at(server)).size == len(ZIP)
    assert bytes(asking.sink) == ZIP * 3
    assert server.connections == 1


def test_fault_03_an_unknown_issuer_is_refused(
    trusted: ssl.SSLContext, serve: Serve, client: MakeClient
) -> None:
    server = serve(WHOLE, tls=trusted)
    with pytest.raises(AppRefused, match="issuer of its certificate is not known") as caught:
        client().fetch(app_at(server))
    assert "http.ca_file" in (caught.value.hint or "")
    assert server.heads == []


def test_fault_03_a_self_signed_certificate_is_refused(
    authority: Authority, serve: Serve, client: MakeClient
) -> None:
    server = serve(WHOLE, tls=authority.context("own", "IP:127.0.0.1", own=True))
    with pytest.raises(AppRefused, match=r"127\.0\.0\.1:.* its certificate is self-signed"):
        client().fetch(app_at(server))
    assert server.heads == []


def test_fault_03_an_expired_certificate_is_refused(
    authority: Authority, serve: Serve, client: MakeClient
) -> None:
    server = serve(WHOLE, tls=authority.context("old", "IP:127.0.0.1", days=-1))
    with pytest.raises(AppRefused, match="has expired"):
        client(ca_file=authority.file).fetch(app_at(server))
    assert server.heads == []


@pytest.mark.parametrize(
    ("host", "san", "why"),
    [("127.0.0.1", "IP:127.0.0.2", "another address"), ("localhost", "DNS:b.example", "another")],
)
def test_fault_03_a_certificate_for_another_host_is_refused(
    host: str, san: str, why: str, authority: Authority, serve: Serve, client: MakeClient
) -> None:
    server = serve(WHOLE, tls=authority.context(f"wrong-{host}", san))
    app = app_at(server.url.replace("127.0.0.1", host))
    with pytest.raises(AppRefused, match=f"its certificate is for {why}"):
        client(ca_file=authority.file).fetch(app)
    assert server.heads == []


def test_fault_03_a_server_without_tls_is_transient(client: MakeClient) -> None:
    with without_tls() as url, pytest.raises(TransientFault, match="the TLS connection to 127"):
        client().fetch(app_at(url))


@pytest.mark.parametrize("text", [None, "this is no certificate", ""])
def test_a_ca_file_that_cannot_be_used_is_named(
    text: str | None, tmp_path: Path, client: MakeClient
) -> None:
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(AppRefused, match=r"the CA file .*ca\.pem cannot be used: \S") as caught:
        client(ca_file=file).fetch(app_at("https://127.0.0.1:1"))
    assert "http.ca_file" in (caught.value.hint or "")


def test_fault_05_the_deadline_holds_within_tls(
    authority: Authority, trusted: ssl.SSLContext, serve: Serve, client: MakeClient
) -> None:
    def drip(talk: Talk) -> None:
        talk.say(answer("200 OK", b"", "Content-Length: 100000"))
        talk.drip(ZIP)

    settings = {"ca_file": authority.file, "deadline": timedelta(seconds=0.2)}
    for waste in (drip, Talk.hang):
        with pytest.raises(TransientFault, match="deadline"):
            client(**settings).fetch(app_at(serve(waste, tls=trusted)))


def test_fault_05_a_handshake_that_hangs_ends_at_the_deadline(client: MakeClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # accepts, and says nothing
        app = app_at(f"https://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(TransientFault, match="deadline"):
            client(deadline=timedelta(seconds=0.15)).fetch(app)


def test_fault_06_faults_in_the_body_are_found_within_tls_too(
    authority: Authority, trusted: ssl.SSLContext, serve: Serve, client: MakeClient
) -> None:
    short = keeps(answer("200 OK", ZIP + b"more", f"Content-Length: {len(ZIP)}"))
    cut = answer("200 OK", ZIP[:99], f"Content-Length: {len(ZIP)}")
    for script, error in ((short, "more bytes"), (lambda talk: talk.say(cut), "cut|TLS")):
        with pytest.raises(AttemptFailed, match=error):
            client(ca_file=authority.file).fetch(app_at(serve(script, tls=trusted)))


def test_a_stop_cuts_a_download_within_tls(
    authority: Authority, trusted: ssl.SSLContext, serve: Serve, client: MakeClient
) -> None:
    asking = client(ca_file=authority.file)

    def script(talk: Talk) -> None:
        talk.say(answer("200 OK", ZIP, "Content-Length: 100000"))
        asking.stop.request()
        talk.hang()

    with pytest.raises(Stopped):
        asking.fetch(app_at(serve(script, tls=trusted)))


def test_a_proxy_behind_tls_is_verified_like_any_host(
    authority: Authority, trusted: ssl.SSLContext, serve: Serve, client: MakeClient
) -> None:
    proxy = serve(lambda talk: talk.say(answer("502 Bad Gateway")), tls=trusted)
    app = app_at("https://reports.example")
    with pytest.raises(AppRefused, match="issuer of its certificate is not known"):
        client(proxy=proxy.url).fetch(app)
    assert proxy.heads == []
    with pytest.raises(TransientFault, match="the proxy answered 502"):
        client(proxy=proxy.url, ca_file=authority.file).fetch(app)
    assert proxy.heads[0].startswith("CONNECT reports.example:443 ")


def test_fault_03_the_environment_cannot_switch_verification_off(
    trusted: ssl.SSLContext, serve: Serve, client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PYTHONHTTPSVERIFY"):
        monkeypatch.setenv(name, "0" if "VERIFY" in name else "")
    with pytest.raises(AppRefused):
        client().fetch(app_at(serve(WHOLE, tls=trusted)))
