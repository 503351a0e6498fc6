"""Secrets come by reference, are masked everywhere, and are never left open to others."""

from __future__ import annotations

import shlex
import traceback
from pathlib import Path

import pytest
from config_files import APP, ENVIRON, LoadText, Problems, Write
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as some

from reportsync.config import format_problems, load, show
from reportsync.errors import ConfigError
from reportsync.redact import mask

CANARY = "kNary0f7ests9Qx"
LITERAL = APP.replace("${env:SHOP_DE_KEY}", CANARY)


@pytest.mark.parametrize("written", ["${env:KEY}", "${env:KEY:-other}", "'${env:KEY}'"])
def test_a_value_comes_from_the_environment(load_text: LoadText, written: str) -> None:
    (app,) = load_text(APP.replace("${env:SHOP_DE_KEY}", written), {"KEY": CANARY}).config.apps
    assert app.secret_key[0].get_secret_value() == CANARY


@pytest.mark.parametrize("environ", [{}, {"HOUR": ""}])
def test_a_default_stands_for_a_variable_that_is_unset_or_empty(
    load_text: LoadText, environ: dict[str, str]
) -> None:
    text = APP + "    report_time: ${env:HOUR:-0}7:${env:MINUTE:-30}\n"
    app = load_text(text, ENVIRON | environ).config.apps[0]
    assert app.report_time.isoformat() == "07:30:00"


@pytest.mark.parametrize("path", ["{folder}/key.txt", "key.txt", "~/key.txt"])
def test_a_value_comes_from_a_file_without_its_last_line_break(
    load_text: LoadText, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key.txt").write_text(f"{CANARY}\r\n")
    written = f"${{file:{path.format(folder=tmp_path)}}}"
    (app,) = load_text(APP.replace("${env:SHOP_DE_KEY}", written)).config.apps
    assert app.secret_key[0].get_secret_value() == CANARY


def test_a_value_comes_from_a_credential_of_the_unit(load_text: LoadText, tmp_path: Path) -> None:
    (tmp_path / "shop-de.key").write_text(f"{CANARY}\n")
    text = APP.replace("${env:SHOP_DE_KEY}", "${credential:shop-de.key}")
    (app,) = load_text(text, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).config.apps
    assert app.secret_key[0].get_secret_value() == CANARY


def test_a_literal_dollar_brace_is_written_with_two_dollars(load_text: LoadText) -> None:
    text = APP + "hooks: {arrival: 'load $${FILE} $$ $HOME ${env:SHOP_DE_KEY}'}\n"
    assert load_text(text, {"SHOP_DE_KEY": "${env:X}"}).config.hooks.arrival == (
        "load ${FILE} $$ $HOME ${env:X}"
    )


def test_references_that_lead_nowhere_are_all_told_with_the_remedy(
    problems: Problems, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    folder = tmp_path / "folder"
    (folder / "taken").mkdir(parents=True)
    text = APP + (
        "hooks:\n"
        "  arrival: >-\n"
        "    ${env:A} ${env:1} ${file:absentA} ${file:large} ${file:binary} ${file:~no-one/x}\n"
        "    ${credential:none} ${credential:../x} ${credential:taken}\n"
        "    ${env:B:-${env:C:-x}} ${HOME} ${\n"
    )
    texts = [
        line.removeprefix("config.yaml:8:12: hooks.arrival: ")
        for line in problems(text, {**ENVIRON, "CREDENTIALS_DIRECTORY": str(folder)})
    ]
    forms = (
        "a reference is ${env:NAME}, ${env:NAME:-default}, ${file:/path} or ${credential:name}; "
        "write a literal ${ as $${"
    )
    assert texts == [
        "the environment variable A is not set; set it, or write ${env:A:-default}",
        "a variable's name is of letters, digits and _: ${env:NAME}",
        "cannot read absentA: No such file or directory; write the file, or correct its path",
        "a file with one value is 64 KiB at most",
        "a file with one value is UTF-8 text, without zero bytes",
        "the path begins with ~, and there is no such home folder",
        f"the credential none is not in {folder} nor in /run/secrets; give it to the unit "
        "(LoadCredential=none:/path) or to the container as a secret",
        "a credential's name is of letters, digits, _, -, . and @",
        f"cannot read {folder}/taken: Is a directory",
        forms,
    ]


def test_an_empty_variable_is_no_secret(problems: Problems) -> None:
    empty = ["config.yaml:4:17: apps.shop-de.secret_key: must not be empty"]
    assert problems(APP, {"SHOP_DE_KEY": ""}) == empty
    assert (
        problems(APP.replace("${env:SHOP_DE_KEY}", "'${env:SHOP_DE_KEY}'"), {"SHOP_DE_KEY": ""})
        == empty
    )


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (" blank-at-the-end ", "must not begin or end with a blank, nor hold line breaks or tabs"),
        ("two\nlines", "must not begin or end with a blank, nor hold line breaks or tabs"),
        ("***", "is the mask that `config show` prints, not a secret"),
    ],
)
def test_an_odd_secret_is_refused(problems: Problems, value: str, problem: str) -> None:
    assert problems(APP, {"SHOP_DE_KEY": value}) == [
        f"config.yaml:4:17: apps.shop-de.secret_key: {problem}"
    ]


def test_a_third_key_and_the_same_key_twice_are_refused(problems: Problems) -> None:
    environ = {"A": "key-number-a", "B": "key-number-b", "C": "key-number-c"}
    three = APP.replace("${env:SHOP_DE_KEY}", "['${env:A}', '${env:B}', '${env:C}']")
    twice = APP.replace("${env:SHOP_DE_KEY}", "['${env:A}', '${env:A}']")
    assert problems(three, environ) == [
        "config.yaml:4:17: apps.shop-de.secret_key: takes 2 entries at most"
    ]
    assert problems(twice, environ) == [
        "config.yaml:4:17: apps.shop-de.secret_key: holds the same key twice"
    ]


SECRETS = {
    "apps.shop-de.secret_key": LITERAL,
    "apps.shop-de.secret_key[1]": APP.replace(
        ": ${env:SHOP_DE_KEY}", f": ['${{env:X}}', {CANARY}]"
    ),
    "notify.healthchecks": APP + f"notify: {{healthchecks: 'https://hc.test/{CANARY}'}}\n",
    "notify.urls[0]": APP + f"notify: {{urls: ['slack://{CANARY}']}}\n",
    "http.proxy": APP + f"http: {{proxy: 'http://me:{CANARY}@proxy.test:3128'}}\n",
    "storage.ledger": APP + f"storage: {{ledger: 'postgresql://me:{CANARY}@db.test/r'}}\n",
}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
@pytest.mark.parametrize("key", SECRETS)
def test_a_literal_secret_in_a_file_that_others_may_read_is_refused(
    write: Write, key: str, mode: int
) -> None:
    path = write(SECRETS[key], mode)
    with pytest.raises(ConfigError) as caught:
        load(path, {**ENVIRON, "X": "another-key-of-tests"})
    (problem,) = caught.value.problems
    assert problem.key == key
    assert problem.text.startswith(f"a secret in a file that others may read (mode 0{mode:03o})")
    assert caught.value.hint == f"chmod 600 {shlex.quote(str(path))}"


@pytest.mark.parametrize("key", SECRETS)
def test_a_closed_file_may_hold_secrets_and_they_are_masked(load_text: LoadText, key: str) -> None:
    loaded = load_text(SECRETS[key], {**ENVIRON, "X": "another-key-of-tests"})
    assert CANARY not in show(loaded)
    assert CANARY not in repr(loaded)
    assert CANARY not in mask(f"GET /{CANARY} failed")


def test_a_default_in_a_reference_is_a_literal_secret(problems: Problems) -> None:
    text = APP.replace("${env:SHOP_DE_KEY}", f"${{env:SHOP_DE_KEY:-{CANARY}}}")
    (line,) = problems(text, ENVIRON, 0o644)
    assert line.startswith("config.yaml:4:17: apps.shop-de.secret_key: a secret in a file")


def test_references_leave_a_file_open_to_all(load_text: LoadText) -> None:
    text = (
        APP
        + "http: {proxy: 'http://me:${env:PW}@proxy.test:3128'}\n"
        + "notify: {healthchecks: 'https://hc.test/${env:PW}', urls: ['slack://${env:PW}']}\n"
        + "storage: {ledger: 'postgresql://me:${env:PW}@db.test/r'}\n"
    )
    loaded = load_text(text, {**ENVIRON, "PW": CANARY}, 0o644)
    assert loaded.config.http.proxy == f"http://me:{CANARY}@proxy.test:3128"


def test_an_encoded_password_is_masked_in_both_forms(load_text: LoadText) -> None:
    text = APP + "storage: {ledger: 'postgresql://me:p%40ssword-of-tests@db.test/r'}\n"
    load_text(text)
    assert mask("p%40ssword-of-tests p@ssword-of-tests") == "*** ***"


def test_the_path_of_a_secret_url_is_masked_by_itself(load_text: LoadText) -> None:
    load_text(APP + "notify: {healthchecks: 'https://hc.test/ping/0f1e2d3c-4b5a'}\n")
    assert mask("host hc.test: url /ping/0f1e2d3c-4b5a failed") == "host hc.test: url /*** failed"
    assert mask("0f1e2d3c-4b5a") == "***"


def test_what_a_hook_takes_from_a_file_is_masked(load_text: LoadText, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("token-of-the-hook-1")
    loaded = load_text(APP + "hooks: {arrival: 'load --token ${file:token}'}\n")
    assert loaded.config.hooks.arrival == "load --token token-of-the-hook-1"
    assert "arrival: load --token ***" in show(loaded)
    assert "token-of-the-hook-1" not in repr(loaded)


BROKEN = [
    "secret_key: {c}\n\tx: y", "secret_key: {c}: {c}", "secret_key: '{c}", 'secret_key: "{c}',
    "secret_key: [{c}", "secret_key: {{{c}", "secret_key: {{{{ {c} }}}}", "secret_key: *{c}",
    "secret_key: &{c} x", "secret_key: !{c} x", "secret_key: !!{c} x", "secret_key: @{c}",
    "secret_key: `{c}", "secret_key: %{c}", 'secret_key: "\\{c}"', "secret_key: {c}\n  x",
    "secret_key: {c}\n   {c}: x", "secret_key: |\n  {c}\n {c}", "{c}: {c}", "{c}", "? {c}",
    "secret_key: {c}\x00", "secret_key: {c}\n---\n{c}: 1", "secret_key:\n      {c}: {c}",
    "secret_key: {c}\n    secret_key: {c}", "secret_key: [a, {c}]: {c}", "secret_key: ${{{c}}}",
    "secret_key: ${{env:{c}", "secret_key: ${{xyz:{c}}}", "since: {c}", "timezone: {c}",
    "base_url: https://{c}:{c}@h", "data_center: {c}", "app_id: '{c}|'", "name: '{c} '",
    "report_time: ${{env:CANARY}}", "until: ${{env:CANARY}}", "buffer: {c}", "secret_key: [[{c}]]",
]  # fmt: skip


@pytest.mark.parametrize("line", BROKEN)
def test_no_problem_holds_what_stands_in_a_line(write: Write, line: str) -> None:
    text = APP.replace("name: shop-de", line.format(c=CANARY))
    with pytest.raises(ConfigError) as caught:
        load(write(text), {**ENVIRON, "CANARY": CANARY})
    error = caught.value
    told = "\n".join([*format_problems(error), *traceback.format_exception(error), repr(error)])
    assert error.problems
    assert CANARY not in told
    assert error.__context__ is None or CANARY not in repr(error.__context__)


@pytest.mark.parametrize(
    "section",
    [
        "http: {proxy: 'ftp://me:{c}@h'}", "http: {proxy: 'http://me:{c}@h:99999'}",
        "storage: {ledger: 'mysql://me:{c}@h/r'}", "storage: {ledger: 'postgresql://m:{c}@@h/r'}",
        "storage: {ledger: 'postgresql://h/r?password={c}'}", "notify: {healthchecks: {c}}",
        "notify: {urls: [{c}]}", "notify: {on: [{c}]}",
        "log: {level: {c}}", "hooks: {timeout: {c}}",
        "daemon: {listen: {c}}", "http: {rate: {c}}", "http: {workers: {c}}", "{c}: 1",
        "http: {ca_file: {c}}",
    ],
)  # fmt: skip
def test_no_problem_holds_a_value_of_any_block(problems: Problems, section: str) -> None:
    lines = problems(APP + section.replace("{c}", CANARY) + "\n")
    assert lines
    assert CANARY not in "\n".join(lines)


@effort(max_examples=150)
@given(
    edits=some.lists(
        some.tuples(
            some.integers(0, len(LITERAL)), some.text("\t\n:-[]{}'\"&*!|>%@`#?, a\0", max_size=3)
        ),
        min_size=1,
        max_size=3,
    )
)
def test_a_damaged_file_loads_or_is_told_of_and_never_quoted(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, str]]
) -> None:
    text = LITERAL
    for place, inserted in edits:
        text = text[:place] + inserted + text[place:]
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    path.write_text(text)
    path.chmod(0o600)
    try:
        load(path, ENVIRON)
    except ConfigError as error:
        told = "\n".join([str(error), *format_problems(error)])
        assert error.problems
        assert CANARY not in told
