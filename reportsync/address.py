"""How addresses are written in the config: the vendor's base URL, proxy, ledger, status page. Pure.

Readers and writers keep to the rules of `notation`: text in, value out, no text in an error.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from reportsync.redact import MASK

# 01 and 04 US, 02 EU, 03 India, 05 Singapore, 06 Indonesia, 101 not stated (vendor's pages).
DATA_CENTERS = ("01", "02", "03", "04", "05", "06", "101")

_HOST = r"([A-Za-z0-9]([A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]+\])"
_PORT = r"(:[0-9]{1,5})?"
_WORD = r"[A-Za-z0-9._~!$&'()*+,;=%-]*"
_USER = rf"({_WORD}(:{_WORD})?@)?"
_PATH = r"(/[A-Za-z0-9._~-]+)*/?"

BASE_URL = rf"https?://{_HOST}{_PORT}{_PATH}"
PROXY = rf"https?://{_USER}{_HOST}{_PORT}/?"
POSTGRES = rf"postgresql(\+psycopg)?://{_USER}({_HOST})?{_PORT}(/[A-Za-z0-9._~%-]*)?(\?[^#\s]*)?"
SQLITE = r"sqlite:///[^?#]+"
LISTEN = r"off|([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}"
PING = rf"https?://{_HOST}{_PORT}([/?]\S*)?"
TARGET = r"[A-Za-z][A-Za-z0-9+.-]*://\S+"

_PASSWORD = re.compile(r"^([A-Za-z0-9+.-]+://[^/?#@:]*):([^/?#@]*)@")


def parse_data_center(text: object) -> object:
    """Read the number of a data center: `1`, `01`, `101`; short ones are padded to two digits."""
    if text is None:
        return text
    word = str(text)
    if re.fullmatch(r"[0-9]", word):
        word = f"0{word}"
    if word in DATA_CENTERS:
        return word
    digits = re.sub(r"[^0-9]", "", word)
    near = f"; did you mean {digits:0>2}?" if f"{digits:0>2}" in DATA_CENTERS else ""
    known = f"{', '.join(DATA_CENTERS[:-1])} and {DATA_CENTERS[-1]}"
    raise ValueError(f"is not a data center; known are {known}{near}")


def data_center_url(data_center: str) -> str:
    """Return the base URL of a data center (vendor's pages: two digits, except 101)."""
    return f"https://api-{data_center}.moengage.com"


def parse_base_url(text: object) -> object:
    """Read where the vendor's API is; return it in lower case up to the path, without a last slash.

    Nothing stands for "not given". Plain http is taken for loopback hosts alone: a signature that
    crosses a network in the clear is lost.
    """
    if text is None:
        return ""
    if not isinstance(text, str) or not text:
        return text
    if re.search(r"[?#@]", text):
        raise ValueError(
            "must be without user, query and fragment: https://HOST or https://HOST/PATH"
        )
    if not re.fullmatch(BASE_URL, text) or re.search(r"/\.\.?(/|$)", text):
        raise ValueError("is not a URL such as https://api-01.moengage.com")
    url = _split(text)
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        raise ValueError("must begin with https:// (http is for loopback hosts alone)")
    return f"{url.scheme}://{url.netloc.lower()}{url.path.rstrip('/')}"


def host_of(url: str) -> str:
    """Return host and port of a URL as messages name them, without user and password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def is_loopback(host: str) -> bool:
    """Say whether `host` (no port, no brackets) is this machine: localhost, 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_proxy(text: object) -> object:
    """Read the URL of an HTTP proxy, with or without user and password."""
    if not isinstance(text, str):
        return text
    if not re.fullmatch(PROXY, text):
        raise ValueError(
            "is not an http:// or https:// URL of a proxy; SOCKS is not spoken; in user and "
            "password write other characters as %XX (@ is %40, / is %2F)"
        )
    _split(text)
    return text


def require_ping(url: str) -> None:
    """Raise ValueError unless `url` is one that can be pinged."""
    if not re.fullmatch(PING, url):
        raise ValueError("is not a URL that begins with https:// or http://")
    _split(url)


def require_target(url: str) -> None:
    """Raise ValueError unless `url` may be one where notices go."""
    if not re.fullmatch(TARGET, url):
        raise ValueError("is not a URL such as mailto://... or slack://...")


def parse_ledger(text: object) -> object:
    """Read the URL of the ledger; the driver of PostgreSQL is named in what comes back."""
    if not isinstance(text, str):
        return text
    if re.fullmatch(SQLITE, text) and text != "sqlite:///:memory:":
        return text
    if not text.startswith("postgresql"):
        near = "; write postgres:// as postgresql://" if text.startswith("postgres:") else ""
        raise ValueError(f"must be sqlite:///PATH of a file or postgresql://...{near}")
    if not re.fullmatch(POSTGRES, text):
        raise ValueError(
            "is not a URL such as postgresql://USER:PASSWORD@HOST:5432/NAME; in user and "
            "password write other characters as %XX (@ is %40, / is %2F)"
        )
    if re.search(r"(?i)[?&][a-z]*password=", text):
        raise ValueError("must have its password before the @, not in the query")
    _split(text)
    return re.sub(r"^postgresql(\+psycopg)?:", "postgresql+psycopg:", text)


def parse_path(text: object, folder: Path | None) -> object:
    """Read a path, placed as by `place`."""
    if text == "":  # it would be the folder itself
        raise ValueError("must not be empty")
    return place(Path(text), folder) if isinstance(text, str | Path) else text


def place(path: Path, folder: Path | None) -> Path:
    """Return `path` with `~` expanded and, where it is relative, below `folder` if there is one."""
    if "\0" in str(path):
        raise ValueError("must not hold a NUL character")
    try:
        path = path.expanduser()
    except RuntimeError:  # what pathlib raises for a user or a home that does not exist
        raise ValueError("begins with ~, and there is no such home folder") from None
    return folder / path if folder else path


def place_ledger(url: str, folder: Path | None) -> str:
    """Return the ledger's `url` with the path of an SQLite file treated as by `place`."""
    if not url.startswith("sqlite:///"):
        return url
    return f"sqlite:///{place(Path(url.removeprefix('sqlite:///')), folder)}"


_NO_LISTEN = "is not an address; write it as 127.0.0.1:8321, [::1]:8321 or off"


def parse_listen(text: object) -> object:
    """Read `HOST:PORT`, `[::1]:PORT` or `off` as (host, port) or None; port 0 is any free one."""
    # Of a config file: a list would pass for the pair that this returns.
    if isinstance(text, list | dict):
        raise ValueError(_NO_LISTEN)
    if not isinstance(text, str):
        return text
    host, _, port = text.rpartition(":")
    if not re.fullmatch(LISTEN, text) or (host and int(port) > 65535):
        raise ValueError(_NO_LISTEN)
    return (host.strip("[]"), int(port)) if host else None


def listen_text(listen: tuple[str, int] | None) -> str:
    """Write (host, port) as `HOST:PORT`, and None as `off`."""
    if listen is None:
        return "off"
    host, port = listen
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def password_of(url: str) -> str:
    """Return the password in `url` as it is written there, or nothing."""
    match = _PASSWORD.match(url)
    return match[2] if match else ""


def mask_password(url: str) -> str:
    """Return `url` with its password masked."""
    return _PASSWORD.sub(rf"\g<1>:{MASK}@", url)


def passwords(url: str) -> tuple[str, ...]:
    """Return the password in `url`, as it is written there and as it is meant, or nothing."""
    password = password_of(url)
    return (password, unquote(password)) if password else ()


def secret_parts(url: str) -> tuple[str, ...]:
    """Return what must not be shown of a `url` that is a secret: all of it, password, path, query.

    Libraries show the host and the rest of a URL apart, so the parts are secrets of their own;
    short ones (/ping, /api) are words that may stand anywhere.
    """
    rest = url.partition("://")[2].partition("/")[2]
    parts = (url, rest, rest.partition("?")[0], rest.rpartition("/")[2])
    return (*passwords(url), *(part for part in parts if len(part) >= 8))


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
    except ValueError:  # its text holds the host
        raise ValueError("has an address in [] that is none") from None
    try:
        known = url.port is None or url.port > 0
    except ValueError:  # what urllib raises for a port over 65535
        known = False
    if not known:
        raise ValueError("has a port outside 1 to 65535")
    return url
