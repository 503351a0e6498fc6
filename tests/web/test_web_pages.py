"""What the pages and the API say, asked over real HTTP from a real ledger."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from web_ledger import NOW, Gone, History, Served, alive, config_of, fill, serving

from reportsync.ledger import open_reading, open_writing, tables
from reportsync.redact import remember_secret
from reportsync.service.status import status
from reportsync.web import site

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\r\nA: b\x1b[31m\u202e{{ 7*7 }}"


class Seen(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


def words(text: str) -> str:
    """Return the visible words of a page, with single blanks."""
    return " ".join(Seen(text).words.split())


def test_the_overview_says_it_in_one_sentence_and_lists_the_worst_first(page: Served) -> None:
    status_code, headers, body = page.ask("/")
    assert (status_code, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    text = body.decode()
    assert "<h1>11 of 2,587 due days are missing, in 3 of 7 apps.</h1>" in text
    assert re.findall(r'href="apps/([\w-]+)"', text) == [
        "loyalty", "shop-india", "travel-app", "news", "shop-de", "shop-fr", "pilot",
    ]  # fmt: skip
    assert "Last pass ended 2 min ago. The next report becomes due in 8 h 7 min." in words(text)
    assert "2026-07-29: HTTP 401: the key was refused" in words(text)
    assert text.count('class="strip"') == 7
    assert 'role="alert"' not in text


def test_the_overview_turns_stale_with_the_health(page: Served, tmp_path: Path) -> None:
    histories = [History("shop", date(2026, 7, 1))]
    config = config_of(tmp_path, histories)
    fill(config, histories)
    with serving(config) as served:
        served.live = alive(last_pass=NOW - timedelta(hours=5))
        assert "The daemon needs a look: no pass has ended since 2026-07-30T09:22:31Z." in words(
            served.text("/")
        )


def test_the_api_is_what_status_prints_as_json(page: Served) -> None:
    code, headers, body = page.ask("/api/v1/status")
    assert (code, headers["Content-Type"]) == (200, "application/json")
    with open_reading(page.config.storage.ledger) as ledger:
        assert json.loads(body) == status(ledger, page.config.apps, NOW)
    assert json.loads(body)["apps"][3]["missing"] == 5


def test_an_app_has_its_gaps_with_reasons_and_the_commands_to_act(page: Served) -> None:
    text = page.text("/apps/shop-india")
    said = words(text)
    assert "5 of 697 due days are missing." in said
    assert "02:00 Asia/Kolkata the next day, plus 2h" in said
    apps = {one["name"]: one for one in json.loads(page.text("/api/v1/status"))["apps"]}
    assert f"Verifiedall since {apps['shop-india']['verified_since'][:10]}" in said
    assert (
        "2026-06-21 to 2026-06-23 3 the body ended after 8,192 of 14,336 bytes in 2 h 42 min "
        "reportsync backfill --app shop-india --since 2026-06-21 --until 2026-06-23" in said
    )
    assert 'reportsync waive shop-india 2026-06-21 2026-06-23 --reason "..."' in said
    assert said.index("2026-07-29 1 HTTP 404") < said.index("2025-05-17 1 HTTP 404")


def test_a_refused_key_is_answered_with_the_command_that_checks_it(page: Served) -> None:
    assert "reportsync check --app loyalty" in words(page.text("/apps/loyalty"))


def test_an_app_has_a_calendar_that_tells_of_every_day(page: Served) -> None:
    text = page.text("/apps/shop-india")
    titles = dict(re.findall(r"<title>(\d{4}-\d\d-\d\d): ([^<]*)</title></use>", text))
    assert len(titles) == 697
    assert titles["2026-07-29"] == (
        "waiting after 6 attempts: HTTP 404: no report for this day: Report not found"
    )
    assert titles["2026-06-22"] == (
        "missing after 2 attempts: the body ended after 8,192 of 14,336 bytes"
    )
    assert titles["2025-11-08"] == "waived: the setting was off (ops)"
    assert re.fullmatch(r"stored, [\d.]+ KiB", titles["2026-07-28"])
    assert re.fullmatch(r"stored, [\d.]+ KiB, 2 versions", titles["2026-04-14"])
    assert titles["2025-12-25"].endswith("KiB, small: 212 bytes, usually about 31044")
    assert 'aria-label="2025: 360 stored, 1 waiting, 4 waived"' in text


def test_damage_is_shown_where_its_day_stands_until_it_is_mended(tmp_path: Path) -> None:
    spoilt, mended, fetched = date(2026, 7, 12), date(2026, 7, 13), date(2026, 7, 14)
    histories = [
        History("shop", date(2026, 7, 1), gone={fetched: Gone()}),
        History("well", fetched),
    ]
    config = config_of(tmp_path, histories)
    fill(config, histories)
    held = f"shop {spoilt} {fetched}"
    incident = {"key": "damage:shop", "opened": NOW, "held": held, "reason": "", "hint": None}
    later = {"verified": NOW + timedelta(minutes=1)}
    with open_writing(config.storage.ledger) as ledger:
        ledger.write(lambda write: write.execute(sa.insert(tables.incidents).values(incident)))
        right = sa.update(tables.archives).where(tables.archives.c.day == mended).values(later)
        ledger.write(lambda write: write.execute(right))
    with serving(config) as served:
        overview, app, well = (served.text(path) for path in ("/", "/apps/shop", "/apps/well"))
        figures = served.text("/metrics")
    told = f"{spoilt}: a verification found its archive damaged or lost"
    assert re.findall(r'class="badge ([\w-]+)"', overview) == ["damaged", "complete"]
    assert told in words(overview)
    assert "27 stored, 1 damaged, 1 missing" in overview
    titles = dict(re.findall(r"<title>(\d{4}-\d\d-\d\d): ([^<]*)</title></use>", app))
    assert titles[str(spoilt)] == "damaged: a verification found its archive damaged or lost"
    assert titles[str(mended)].startswith("stored, ")
    assert titles[str(fetched)] == "missing: not asked for yet"
    assert app.count('href="#damaged"') == 3, "badge, legend and day"
    assert well.count('href="#damaged"') == 0
    assert 'reportsync_damaged_reports{app="shop"} 1.0' in figures
    assert 'reportsync_damaged_reports{app="well"} 0.0' in figures
    assert "Damaged1" in words(overview) and "28 of 29 days, 1 of them damaged" in words(app)
    assert f"Damaged or lost {spoilt}: reportsync repair --app shop" in words(app)
    assert "Damaged or lost" not in words(well)
    assert "Verifiedall others since" in words(app) and "Verifiedall since" in words(well)


def test_an_incident_of_an_unknown_kind_leaves_metrics_and_health_as_they_are(
    tmp_path: Path,
) -> None:
    histories = [History("shop", date(2026, 7, 1))]
    config = config_of(tmp_path, histories)
    fill(config, histories)
    odd = {"key": "newer:shop", "opened": NOW, "held": "shop 2026-07-10 2026-07-10", "reason": ""}
    with open_writing(config.storage.ledger) as ledger:
        ledger.write(lambda write: write.execute(sa.insert(tables.incidents).values(odd)))
    with serving(config) as served:
        codes = [served.ask(path)[0] for path in ("/metrics", "/healthz", "/readyz")]
        assert 'reportsync_reports{app="shop",state="stored"} 29.0' in served.text("/metrics")
    assert codes == [200, 200, 200]


def test_an_app_has_its_latest_attempts_newest_first(page: Served) -> None:
    text = page.text("/apps/shop-india")
    table = text[text.index('class="attempts"') :]
    started = re.findall(r'<td><time datetime="([^"]+)"', table)
    assert len(started) == 25
    assert started == sorted(started, reverse=True)
    first = words(table).split("Reason ")[1]
    assert first.startswith("2026-07-30 01:00 UTC 2026-07-29 waiting 404 1 – 0.2 HTTP 404")


def test_an_app_without_a_due_day_has_a_page_too(page: Served) -> None:
    said = words(page.text("/apps/pilot"))
    assert "Nothing is due yet." in said
    assert "No day is due yet." in said
    assert "Verified–" in said
    assert "There was none yet." in said


@pytest.mark.parametrize("target", ["/apps/", "/apps/nobody", "/apps/shop-de/", "/apps/../", "/x"])
def test_what_is_not_there_is_said_on_a_page(page: Served, target: str) -> None:
    code, headers, body = page.ask(target)
    assert (code, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "There is no such" in body.decode()


def test_the_links_of_a_page_hold_below_a_proxys_prefix(page: Served) -> None:
    for target, root in [
        ("/", ""), ("/apps/shop-de", "../"), ("/a/b/c", "../../"),
        ("/apps/nobody", "../"), ("/apps/a/b", "../../"),
    ]:  # fmt: skip
        links = re.findall(r'(?:href|src)="([^"#]+)"', page.text(target))
        assert [link for link in links if link.startswith("/") or "://" in link] == []
        (style,) = [link for link in links if "style.css" in link]
        assert style.startswith(f"{root}style.css?")


def test_style_and_icon_are_served_and_may_be_kept(page: Served) -> None:
    for target, kind in [("/style.css", "text/css"), ("/icon.svg", "image/svg+xml")]:
        code, headers, body = page.ask(target)
        assert (code, headers["Content-Type"]) == (200, kind)
        assert headers["Cache-Control"] == "max-age=3600"
        assert body


def test_fault_43_vendor_text_is_escaped_and_cut_on_every_page(tmp_path: Path) -> None:
    newest = date(2026, 7, 29)
    reason = HOSTILE + " Signature=0123456789abcdef " + "many words " * 1_000_000
    flags = f"odd: {HOSTILE}"
    history = History(
        "shop", date(2026, 7, 1),
        gone={newest: Gone(reason, "failed", 1), date(2026, 7, 5): Gone("x", "failed", 1)},
        flags={date(2026, 7, 9): flags.replace("\r\n", " ")},
        waived={date(2026, 7, 5): HOSTILE},
    )  # fmt: skip
    config = config_of(tmp_path, [history])
    fill(config, [history])
    with serving(config) as served:
        for target in ("/", "/apps/shop"):
            text = served.text(target)
            found = Seen(text)
            assert {"script", "img"}.isdisjoint(found.tags)
            assert [name for name, _ in found.attributes if name.startswith("on")] == []
            assert "&lt;script&gt;" in text
            assert not re.search("[\x1b\u202e\r]", text)
            assert "0123456789abcdef" not in text
            assert "many words" in text or target == "/"
            assert len(text) < 40_000
        assert "onerror" in words(served.text("/apps/shop"))


def test_no_secret_is_on_any_page(page: Served) -> None:
    remember_secret("key-of-the-web-tests")
    for target in ("/", "/apps/loyalty", "/api/v1/status", "/metrics", "/healthz", "/readyz"):
        assert "key-of-the-web-tests" not in page.text(target)


def test_before_the_first_pass_everything_is_missing_and_nothing_is_written(tmp_path: Path) -> None:
    histories = [History("shop", date(2026, 7, 1))]
    config = config_of(tmp_path, histories)
    with serving(config) as served:
        assert "29 of 29 due days are missing." in words(served.text("/"))
        assert "not asked for yet" in words(served.text("/apps/shop"))
        assert list(tmp_path.iterdir()) == []
        fill(config, histories)
        renew(served)
        assert "Every due day is there: 29 stored." in words(served.text("/"))


def renew(served: Served) -> None:
    """Have the next request look at the ledger again."""
    served.server._board._stale_at = 0.0


def test_a_replaced_ledger_is_opened_anew(tmp_path: Path) -> None:
    histories = [History("shop", date(2026, 7, 1))]
    config, other = config_of(tmp_path, histories), config_of(tmp_path / "other", histories)
    fill(config, histories)
    gone = History("shop", date(2026, 7, 1), gone={date(2026, 7, 9): Gone()})
    fill(other, [gone])
    with serving(config) as served:
        assert "29 stored" in served.text("/")
        (tmp_path / "other" / "ledger.db").rename(tmp_path / "ledger.db")
        renew(served)
        assert "1 of 29 due days is missing." in served.text("/")


def test_fault_31_an_unreadable_ledger_is_told_and_healed_from(tmp_path: Path) -> None:
    histories = [History("shop", date(2026, 7, 1))]
    config = config_of(tmp_path, histories)
    ledger = tmp_path / "ledger.db"
    ledger.write_bytes(b"this is no database" * 100)
    with serving(config) as served:
        for target in ("/", "/apps/shop", "/api/v1/status"):
            code, _, body = served.ask(target)
            assert code == 503
            assert "not an SQLite database" in body.decode()
            assert "reportsync repair" in body.decode()
        assert served.ask("/healthz")[0] == 503
        assert served.text("/readyz") == "the ledger cannot be read\n"
        metrics = served.text("/metrics")
        assert "reportsync_ledger_readable 0.0" in metrics
        assert "reportsync_reports{" not in metrics
        ledger.unlink()
        fill(config, histories)
        renew(served)
        assert served.ask("/healthz")[0] == 200
        assert served.ask("/")[0] == 200


def test_a_page_that_is_open_to_others_does_not_tell_where_things_lie(tmp_path: Path) -> None:
    histories = [History("shop", date(2026, 7, 1))]
    config = config_of(tmp_path, histories)
    fill(config, histories)
    with serving(config, ("0.0.0.0", 0)) as served:
        shown = [served.text(one) for one in ("/", "/apps/shop", "/api/v1/status", "/metrics")]
        (tmp_path / "ledger.db").write_bytes(b"this is no database" * 100)
        renew(served)
        for target in ("/", "/apps/shop", "/api/v1/status"):
            code, _, body = served.ask(target)
            assert code == 503
            assert b"the ledger cannot be read" in body
            shown.append(body.decode())
    assert not [text for text in shown if str(tmp_path) in text]
    assert not [text for text in shown if "key-of-the-web-tests" in text]


def test_a_ledger_whose_folder_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    config = config_of(tmp_path / "folder", [History("shop", date(2026, 7, 1))])
    with serving(config) as served:
        code, _, body = served.ask("/")
        assert code == 503
        assert "cannot use the ledger" in body.decode()


def test_an_answer_that_fails_is_told_and_logged_and_the_next_one_is_fine(
    tmp_path: Path, quiet: list[dict[str, object]]
) -> None:
    histories = [History("shop", date(2026, 7, 1), gone={date(2026, 7, 9): Gone()})]
    config = config_of(tmp_path, histories)
    fill(config, histories)
    incident = {"key": "late:shop", "opened": NOW, "held": "odd", "reason": ""}
    with serving(config) as served:
        with open_writing(config.storage.ledger) as ledger:
            add = sa.insert(tables.incidents).values(incident)
            ledger.write(lambda connection: connection.execute(add))
        assert served.ask("/")[0] == 500
        assert [one["log_level"] for one in quiet] == ["info", "error"]
        assert served.ask("/style.css")[0] == 200


def test_healthz_and_readyz_answer_by_the_daemons_state(tmp_path: Path) -> None:
    histories = [History("shop", date(2026, 7, 1))]
    config = config_of(tmp_path, histories)
    fill(config, histories)
    with serving(config) as served:
        assert served.ask("/healthz")[0] == served.ask("/readyz")[0] == 200
        served.live = alive(last_pass=None, started=NOW)
        assert (served.ask("/healthz")[0], served.ask("/readyz")[0]) == (200, 503)
        served.live = alive(scheduler_alive=False)
        code, headers, body = served.ask("/healthz")
        assert (code, headers["Content-Type"]) == (503, "text/plain; charset=utf-8")
        assert body == b"the scheduler's thread is dead\n"


def test_invariant_12_health_turns_when_nothing_has_succeeded_for_too_long(tmp_path: Path) -> None:
    gone = {date(2026, 7, 29): Gone("HTTP 500", "failed", 9)}
    histories = [History("shop", date(2026, 7, 1), gone=gone)]
    config = config_of(tmp_path, histories)
    fill(config, histories)
    with serving(config) as served:
        assert served.ask("/healthz")[0] == 200
        served.clock.now = datetime(2026, 7, 30, 16, 1, tzinfo=UTC)
        served.live = alive(served.clock.now)
        renew(served)
        code, _, body = served.ask("/healthz")
        assert code == 503
        assert body.decode().startswith(
            "nothing has succeeded for too long: the newest report of shop"
        )
        assert 'role="alert"' in served.text("/")


def test_requests_within_a_second_share_one_look(tmp_path: Path) -> None:
    histories = [History("shop", date(2026, 7, 1))]
    config = config_of(tmp_path, histories)
    fill(config, histories)
    with serving(config) as served:
        first: Any = served.ask("/")[2]
        served.clock.now += timedelta(hours=1)
        assert served.ask("/")[2] == first
        renew(served)
        assert served.ask("/")[2] != first


@pytest.mark.parametrize("target", ["/", "/apps/shop", "/api/v1/status"])
def test_what_many_ask_for_at_once_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    histories = [History("shop", date(2026, 7, 1))]
    config = config_of(tmp_path, histories)
    fill(config, histories)
    made: list[str] = []

    def slowly(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def work(*values: Any) -> Any:
            made.append(name)
            time.sleep(0.05)
            return real(*values)

        return work

    with serving(config) as served, ThreadPoolExecutor(8) as visitors:
        served.server._board.look()
        served.server._board._stale_at = float("inf")  # all within one look
        pages = served.server._site._pages
        monkeypatch.setattr(site, "describe", slowly("/api/v1/status", site.describe))
        monkeypatch.setattr(pages, "overview", slowly("/", pages.overview))
        monkeypatch.setattr(pages, "app", slowly("/apps/shop", pages.app))
        answers = list(visitors.map(lambda _: served.ask(target)[::2], range(8)))
    assert made == [target]
    assert {code for code, _ in answers} == {200}
    assert len({body for _, body in answers}) == 1


def test_the_queries_of_a_page_use_an_index(page: Served) -> None:
    path = page.config.storage.ledger.removeprefix("sqlite:///")
    for table in ("reports", "archives", "attempts"):
        query = f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE app = 'x' ORDER BY "
        order = "started DESC, id DESC LIMIT 25" if table == "attempts" else "day"
        plan = subprocess.run(
            ["python3", "-c", "import sqlite3,sys;print(list(sqlite3.connect(sys.argv[1])"
             ".execute(sys.argv[2])))", path, query + order],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        assert "SEARCH" in plan
        assert "SCAN" not in plan


def test_the_stand_in_for_a_ledger_that_is_not_there_yet_is_shared_by_threads(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(tmp_path, [History("shop", date(2026, 7, 1))])
    with serving(config) as served:
        for _ in range(3):  # each in a thread of its own
            assert served.ask("/apps/shop")[0] == 200
            renew(served)
    assert caplog.records == []
