"""Configs with something wrong, each from a seed: bytes, lines, indentation, types, references."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from canary import CANARY

EXAMPLE = Path(__file__).resolve().parents[2] / "config.example.yaml"
REAL = f"""\
apps:
  - name: shop-de
    app_id: DAO6UGZ73D9RTK8B5W96TPYN
    secret_key: {CANARY}
    data_center: 01
    since: 2026-01-01
    until: 2026-06-30
    timezone: Asia/Kolkata
  - {{name: shop-fr, app_id: FR, base_url: "https://a.example/v1", since: 2026-01-01,
     secret_key: ["{CANARY}", "${{env:OTHER_KEY}}"]}}
defaults: {{report_time: "02:00", buffer: 2h, retry_every: 30m}}
storage:
  archive: archive
  ledger: sqlite:///ledger.db
  min_free: 1GiB
http: {{proxy: "http://me:{CANARY}@proxy.example:3128", rate: 2/s, workers: 8, max_size: 4GiB}}
daemon:
  listen: 127.0.0.1:8321
notify: {{healthchecks: "https://hc.example/ping/{CANARY}", urls: ["json://u:{CANARY}@h.example/{CANARY}"]}}
hooks: {{arrival: "load $${{FILE}}", timeout: 5m}}
"""
_VALUES = (
    "", "~", "null", "[]", "{}", "[[[[]]]]", "{a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}}",
    "-", "- - -", "0", "-1",
    "1e999", ".inf", ".nan", "9" * 400, "9" * 5000, "0x10", "0o7", "1_000", "12:30", "99:99",
    "01", "yes", "NO",
    "2026-02-30", "2026-01-01T00:00:00Z", "0001-01-01", "9999-12-31",
    "\u0662\u0660\u0662\u0666-01-01", "1d1d", "-5m", "5 m",
    "1" * 30 + "d", "999999999999d", "1EiB", "9" * 30 + "GiB", "2/x", "1/0", "*x", "&x y",
    "!!python/object:os.system x",
    "!x y", "|", ">", "'", '"', "\"\\ud800\"", "\"\\x00\"", "\"\\e[2J\"", "\u202etxt", "\ufeff",
    "a\u0301", "\U0001f980", "x" * 70_000,
    "${env:ABSENT}", "${env:ABSENT:-}", "${env:}", "${env:1}", "${file:/no/such}",
    "${file:/dev/null}", "${file:.}",
    "${file:" + "x" * 5000 + "}", "${file:a\u0001b}", "${credential:../x}", "${credential:none}",
    "${", "$${", "${x}", "${env:OTHER_KEY}",
    "${env:${env:OTHER_KEY}}", "${file:~nobody-here/x}", "http://localhost:99999", "http://[::1",
    "https://a.example/?q#f",
    "https://u:p@a.example", "https://\u2603.example", "file:///etc/passwd", "sqlite:///",
    "sqlite://///", "mysql://x",
    "postgresql://u:p@h/d?x=%zz", "127.0.0.1:0", "127.0.0.1:99999", "[::]:1", "off",
    "Mars/Olympus", "../../etc/passwd",
    "Europe/Berlin\u0000", "/", "a/b", "a|b", "..", "%s%n", "{{x}}", "<b>", "?", ": x", "# x",
    "@x", "`x`", "%x", ",", "a: b: c",
)  # fmt: skip

Lines = list[str]


def mutant(seed: int) -> bytes:
    """Return the config of `seed`."""
    chance = random.Random(seed)
    text = chance.choice((EXAMPLE.read_text(encoding="utf-8"), REAL, REAL))
    lines = text.splitlines()
    for _ in range(chance.choice((1, 1, 2, 3))):
        chance.choice(_CHANGES)(lines, chance)
    data = "\n".join(lines).encode("utf-8", "surrogatepass") + b"\n"
    return chance.choice(_ENCODINGS)(data, chance) if chance.random() < 0.25 else data


def _at(lines: Lines, chance: random.Random) -> int:
    """Return the number of a line that says something."""
    telling = [
        n for n, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")
    ]
    return chance.choice(telling or [0])


def _other_value(lines: Lines, chance: random.Random) -> None:
    at = _at(lines, chance)
    head, colon, _ = lines[at].partition(":")
    lines[at] = f"{head}{colon} {chance.choice(_VALUES)}"


def _other_inner_value(lines: Lines, chance: random.Random) -> None:
    """Change a value within braces."""
    at = _at(lines, chance)
    parts = lines[at].split(",")
    place = chance.randrange(len(parts))
    head, colon, _ = parts[place].rpartition(": ")
    parts[place] = f"{head}{colon}{chance.choice(_VALUES)}"
    lines[at] = ",".join(parts)


def _other_key(lines: Lines, chance: random.Random) -> None:
    at = _at(lines, chance)
    head, colon, rest = lines[at].partition(":")
    kept = head[: len(head) - len(head.lstrip())]
    lines[at] = (
        f"{kept}{chance.choice(('x', 'appz', 'apps', '<<', '?', '[a]', 'a b', CANARY, '1', ''))}{colon}{rest}"
    )


def _indentation(lines: Lines, chance: random.Random) -> None:
    at = _at(lines, chance)
    lines[at] = chance.choice((" ", "   ", "\t", " \t", "\u00a0", "- ", "")) + chance.choice(
        (lines[at], lines[at].lstrip())
    )


def _lost_lines(lines: Lines, chance: random.Random) -> None:
    at = _at(lines, chance)
    del lines[at : at + chance.choice((1, 1, 3, 99))]
    if not lines:
        lines.append("")


def _doubled_lines(lines: Lines, chance: random.Random) -> None:
    at = _at(lines, chance)
    lines[at:at] = lines[at : at + chance.choice((1, 1, 4, 99))]


def _swapped_lines(lines: Lines, chance: random.Random) -> None:
    one, other = _at(lines, chance), _at(lines, chance)
    lines[one], lines[other] = lines[other], lines[one]


def _changed_character(lines: Lines, chance: random.Random) -> None:
    at = _at(lines, chance)
    line, odd = lines[at], "\0\1\x1b\x7f\x85\u2028\u200b\ufffe\ud800'\"{}[]:,#&*!|>%@`\t-?$\\\n\r"
    place = chance.randrange(len(line) + 1)
    lines[at] = line[:place] + chance.choice(odd) + line[place + chance.randrange(2) :]


def _more_documents(lines: Lines, chance: random.Random) -> None:
    odd = (
        "---",
        "...",
        "--- x",
        "%YAML 9.9",
        "%TAG ! x",
        "&a [*a, *a]",
        "x: &a [*a]",
        "[" * 3000,
        "{x: " * 2000,
        "- " * 2000,
    )
    lines.insert(chance.randint(0, len(lines)), chance.choice(odd))


_CHANGES: tuple[Callable[[Lines, random.Random], None], ...] = (
    _other_value, _other_value, _other_value, _other_inner_value, _other_inner_value, _other_key,
    _indentation,
    _lost_lines, _doubled_lines, _swapped_lines, _changed_character, _changed_character, _more_documents,
)  # fmt: skip


def _changed_bytes(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 3, 20))):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _recoded(data: bytes, chance: random.Random) -> bytes:
    text = data.decode("utf-8", "replace")
    return text.encode(
        chance.choice(("utf-16", "utf-32", "utf-8-sig", "latin-1", "utf-7")), "replace"
    )


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def _other_line_ends(data: bytes, chance: random.Random) -> bytes:
    return data.replace(
        b"\n", chance.choice((b"\r\n", b"\r", b"\n\n", b"\n\0", b" \n", b"\xc2\x85"))
    )


_ENCODINGS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _changed_bytes,
    _recoded,
    _cut,
    _other_line_ends,
)
