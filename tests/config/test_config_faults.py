"""Rows 34 and 35 of the fault catalogue: zones that are unknown, and the traps of YAML."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from config_files import APP, ENVIRON, Problems, Write

from reportsync.config.document import parse

LOADERS = [pytest.param(yaml.SafeLoader, id="python")]
if hasattr(yaml, "CSafeLoader"):
    LOADERS.append(pytest.param(yaml.CSafeLoader, id="libyaml"))


@pytest.mark.parametrize(
    ("zone", "near"),
    [
        ("Europe/Berln", "did you mean Europe/Berlin?"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("Berlin", "did you mean Europe/Berlin?"),
        ("Asia/Kolkatta", "did you mean Asia/Kolkata?"),
        ("Mars/Olympus_Mons_Base", "write it as Europe/Berlin, Asia/Kolkata or UTC"),
        ("Europe", "did you mean"),
        ("right/UTC", "did you mean"),
        ("../../etc/passwd", "write it as"),
        ("zone.tab", "is not a time zone"),
        ("+05:30", "is not a time zone"),
    ],
)
def test_fault_34_an_unknown_zone_is_told_with_its_line(
    problems: Problems, zone: str, near: str
) -> None:
    (line,) = problems(APP + f"    timezone: {zone}\n")
    assert line.startswith("config.yaml:7:15: apps.shop-de.timezone: is not a time zone; ")
    assert near in line


def test_fault_34_absent_time_zone_data_is_told_with_its_line(write: Write, tmp_path: Path) -> None:
    path = write(APP + "    timezone: Europe/Berlin\n")
    script = (
        "import sys; sys.modules['tzdata'] = None\n"
        "from pathlib import Path\n"
        "from reportsync.config import load, format_problems\n"
        "from reportsync.errors import ConfigError\n"
        "try: load(Path(sys.argv[1]))\n"
        "except ConfigError as error: print(*format_problems(error), sep='\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        env={**os.environ, **ENVIRON, "PYTHONTZPATH": "", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (
        f"{path}:7:15: apps.shop-de.timezone: cannot be looked up: "
        "no time zone data is installed; run: pip install tzdata\n"
    )


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("a:\n\tb: 1\n", 2, 1, "indented with a tab; use spaces"),
        ("a:\n  b: 1\n \tc: 1\n", 3, 2, "indented with a tab; use spaces"),
        ("a: 1\nb: 2\na: 3\n", 3, 1, "stands here twice; the first is in line 1"),
        ("a: {b: 1, b: 2}\n", 1, 11, "stands here twice; the first is in line 1"),
        ("a: &x 1\n", 1, 4, "anchors are not taken; if the text begins with &, put it in quotes"),
        ("a: *x\n", 1, 4, "aliases are not taken; if the text begins with *, put it in quotes"),
        ("<<: *x\n", 1, 5, "aliases are not taken; if the text begins with *, put it in quotes"),
        ("a: !x 1\n", 1, 4, "tags are not taken; if the text begins with !, put it in quotes"),
        ("a: !!int 1\n", 1, 4, "tags are not taken; if the text begins with !, put it in quotes"),
        ("a: ! 1\n", 1, 4, "tags are not taken; if the text begins with !, put it in quotes"),
        ("a: 1\n---\nb: 1\n", 2, 1, "a second document begins; a config file is one document"),
        ("a: b: c\n", 1, 5, "a ': ' inside a text without quotes; put the text in quotes"),
        ("a: @x\n", 1, 4, "a text cannot begin with this character; put it in quotes"),
        ("b: 1\na\n", 3, 1, "there is no ': ' behind a key"),
        ("a:\n  b: 1\n c: 1\n", 3, 2, "the indentation or a quote does not fit the lines above"),
        ("a: [1\nb: 2\n", 2, 2, "brackets lack a comma or their end; within them put ${...}"),
        ("a: \"x\\\n  \\q\"\n", 2, None, "an escape that double quotes do not know"),
        ("a: 'x\n\n\n", 1, 4, "a quote or bracket that is never closed"),
        ("? [a]\n: 1\n", 1, 3, "a key must be a word; if this is a text with { or ?, put it"),
        ("a: {{ b }}\n", 1, 5, "a key must be a word; if this is a text with { or ?, put it"),
        (": 1\n", 1, 1, "the indentation or a quote does not fit the lines above"),
        ("? \n: 1\n", 1, 2, "a key must be a word; if this is a text with { or ?, put it"),
        ("a: x\x07y\n", 1, 5, "a control character; no text may hold one"),
        ("a: 1\nb: \ufeffy\n", 2, 4, "a control character; no text may hold one"),
        # libyaml looks ahead, and newer ones give up there: where, depends on the version.
        ("a: " + "[" * 100_000, 1, None, "is nested more than 8 levels deep"),
        ("a: " + "[" * 600, 1, 12, "is nested more than 8 levels deep"),
        ("a: " + "{b: " * 100_000, 1, 36, "is nested more than 8 levels deep"),
        ("%YAML 3.0\n---\na: 1\n", 1, 1, "is not valid YAML from here on"),
    ],
)  # fmt: skip
def test_fault_35_traps_of_yaml_are_told_with_line_and_column(
    loader: Any, text: str, line: int, column: int | None, problem: str
) -> None:
    _, findings = parse(text, loader)
    first = findings[0]
    assert first.line == line
    assert column in (first.column, None)  # the two readers count an escape differently
    assert first.text.startswith(problem)


@pytest.mark.parametrize("loader", LOADERS)
def test_fault_35_a_billion_laughs_stay_small(loader: Any) -> None:
    laughs = "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" if n else "a0: &a0 lol\n"
        for n in range(9)
    )
    tree, findings = parse(laughs, loader)
    assert tree is not None
    assert len(findings) == 9 + 8 * 9


@pytest.mark.parametrize("loader", LOADERS)
def test_fault_35_both_readers_of_yaml_see_the_same_tree(loader: Any) -> None:
    text = "a: 12:30\nb: [01, ~, '', \"x\\ty\", NO]\nc:\n  d: |\n    x\n  é: 2026-01-01 # no\n"
    tree, findings = parse(text, loader)
    assert not findings
    assert tree == parse(text)[0]


def test_fault_35_a_broken_file_is_told_with_the_key_that_it_breaks_in(problems: Problems) -> None:
    assert problems(APP.replace("since: 2026-01-01", "since: '2026-01-01")) == [
        "config.yaml:6:12: apps[0].since: a quote or bracket that is never closed"
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("report_time: 630", "report_time: is not a time of day"),
        ("report_time: 24:00", "report_time: is not a time of day"),
        ("since: 2026-11-31", "since: is a day that no calendar has"),
        ("since: 2026-W01-1", "since: is not a day"),
        ("since: 2026111", "since: is not a day"),
        ("since: ٢٠٢٦-٠١-٠١", "since: is not a day"),
        ("since: 2026-01-01T00:00:00", "since: is not a day"),
        ("since: 1999-12-31", "since: is not between 2000-01-01 and 2199-12-31"),
        ("data_center: 010", "data_center: is not a data center"),
        (
            "data_center: DC-3",
            "data_center: is not a data center; known are 01, 02, 03, 04, 05, 06",
        ),
        ("app_id: a/../b", "app_id: must be 1 to 64 letters"),
        ("app_id: a?x=1", "app_id: must be 1 to 64 letters"),
        ("name: ../x", "name: must be 1 to 64 letters"),
        ("buffer: -1h", "buffer: is not a duration"),
        ("buffer: 999999d", "buffer: is longer than 3660d"),
        ("base_url: http://api-01.moengage.com", "base_url: must begin with https://"),
        ("base_url: https://api/?x=1", "base_url: must be without user, query and fragment"),
        ("base_url: https://me@api", "base_url: must be without user, query and fragment"),
        ("base_url: https://api/../x", "base_url: is not a URL"),
        ("base_url: https://api:0", "base_url: has a port outside 1 to 65535"),
        ("base_url: http://127.0.0.1.nip.io", "base_url: must begin with https://"),
        ("base_url: api-01.moengage.com", "base_url: is not a URL"),
    ],
)
def test_fault_35_a_value_that_cannot_be_meant_is_refused(
    problems: Problems, line: str, problem: str
) -> None:
    key = line.partition(":")[0]
    kept = [old for old in APP.splitlines() if f"{key}:" not in old or key == "name"]
    text = "\n".join(kept).replace(
        "  - name: shop-de", "  - name: shop-de" if key != "name" else f"  - {line}"
    )
    found = problems(text + ("\n" if key == "name" else f"\n    {line}\n"))
    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://hc.test:70000/x", "has a port outside 1 to 65535"),
        ("https://hc.test:0/x", "has a port outside 1 to 65535"),
        ("ftp://hc.test/x", "is not a URL that begins with https:// or http://"),
    ],
)
def test_fault_35_a_check_that_cannot_be_pinged_is_refused(
    problems: Problems, url: str, problem: str
) -> None:
    (line,) = problems(APP + f"notify:\n  healthchecks: {url}\n")
    assert line == f"config.yaml:8:17: notify.healthchecks: {problem}"


@pytest.mark.parametrize("value", ["[]", "[127.0.0.1, 8321]", "[[]]", "{host: x}"])
def test_an_address_in_more_than_one_piece_is_told_at_its_place(
    problems: Problems, value: str
) -> None:
    (line,) = problems(APP + f"daemon:\n  listen: {value}\n")
    assert line.startswith("config.yaml:8:11: daemon.listen: ")
