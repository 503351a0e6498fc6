"""What the reports are asked of: nginx, and before it a line with latency."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import proxy

_CONFIG = """\
{user}daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    default_type application/zip;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        root {root};
        autoindex on;
    }}
}}
"""


class Missing(Exception):
    """A program is not installed; the text says how to get it."""


def find(program: str, package: str | None = None) -> str:
    """Return the path of a program; raise `Missing` if there is none."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if found is None:
        raise Missing(f"{program} is not installed: apt-get install {package or program}")
    return found


@contextmanager
def serving(root: Path, folder: Path) -> Iterator[int]:
    """Run nginx over the files below `root`, with what it needs in `folder`; yield its port."""
    nginx = find("nginx", "nginx-light")
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    config = folder / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""
    config.write_text(_CONFIG.format(user=user, folder=folder, root=root, port=port))
    with _running([nginx, "-p", str(folder), "-c", str(config)], folder / "nginx.log"):
        _await(port)
        yield port


@contextmanager
def late(port: int, seconds: float) -> Iterator[int]:
    """Put a line before the server on `port` that makes each request so many seconds late; yield its port."""
    if not seconds:
        yield port
        return
    command = [sys.executable, "-I", str(Path(proxy.__file__)), str(port), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    with (
        log.open("ab") as out,
        subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process,
    ):
        try:
            yield
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _await(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")
