"""The pages in a real Chromium: no console errors, accessible, usable by keyboard, fit for print.

With REPORTSYNC_PICTURES=docs in the environment, the pictures of the documentation are taken anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from web_ledger import Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.tool("chromium", module="playwright")]

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PAGES = ("/", "/apps/shop-india", "/apps/pilot", "/apps/nobody")
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
def browser(tool: Callable[[str], str]) -> Iterator[Browser]:
    """Yield a running Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=tool("chromium"), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def opened(browser: Browser, page: Served) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a path; fails afterwards if a page had complaints or other hosts."""
    contexts, complaints = [], []

    def open_(path: str, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on(
            "console",
            lambda said: complaints.append(said.text) if "404" not in said.text else None,
        )
        tab.on("request", lambda asked: hosts.add(asked.url.split("/")[2]))
        tab.goto(page.url + path)
        return tab

    hosts: set[str] = set()
    yield open_
    for context in contexts:
        context.close()
    assert complaints == []
    assert hosts == {page.url.split("/")[2]}


@pytest.mark.parametrize(
    ("path", "scheme", "width"),
    [
        *((path, "light", 1240) for path in PAGES),
        *((path, "dark", 1240) for path in PAGES[:2]),
        *((path, "light", 390) for path in PAGES[:2]),
    ],
)
def test_axe_finds_no_violation(
    opened: Callable[..., Page], path: str, scheme: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    # Chromium runs the checker's script past the page's policy only when it is told to.
    tab = opened(
        path, color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True
    )
    found = Axe().run(tab, options=_RULES)
    assert [f"{one['id']}: {one['help']}" for one in found.response["violations"]] == []
    assert len(found.response["passes"]) > 20 or path == "/apps/nobody"


def test_the_policy_lets_the_style_sheet_in_and_scripts_not(browser: Browser, page: Served) -> None:
    tab = browser.new_page()
    tab.goto(page.url)
    assert tab.evaluate("getComputedStyle(document.querySelector('.strip')).display") == "block"
    inject = (
        "s => { const e = document.createElement('script'); e.text = s; document.body.append(e) }"
    )
    tab.evaluate(inject, "window.ran = true")
    assert tab.evaluate("window.ran") is None
    tab.close()


@pytest.mark.parametrize("path", PAGES[:2])
def test_without_javascript_nothing_is_lost(opened: Callable[..., Page], path: str) -> None:
    with_, without = opened(path), opened(path, java_script_enabled=False)
    assert without.locator("body").inner_text() == with_.locator("body").inner_text()


def test_a_keyboard_reaches_everything_and_shows_where_it_is(opened: Callable[..., Page]) -> None:
    tab = opened("/")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert tab.locator(".skip").bounding_box()["x"] == 0  # type: ignore[index]
    reached = set()
    for _ in range(20):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.textContent.trim()"))
    assert {"loyalty", "shop-india", "pilot", "metrics"} <= reached
    tab.locator("a", has_text="shop-de").focus()
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/apps/shop-de")
    assert tab.locator("h1").inner_text().startswith("shop-de")


def test_a_screen_reader_hears_what_strips_and_calendars_show(opened: Callable[..., Page]) -> None:
    strip = opened("/").get_by_role("img", name="2026-05-31 to 2026-07-29: 55 stored, 5 missing")
    assert strip.count() == 1
    tab = opened("/apps/shop-india")
    assert tab.get_by_role("img", name="2025: 360 stored, 1 waiting, 4 waived").count() == 1
    tab.get_by_text("2025 as a table").click()
    assert tab.get_by_role("row", name="2025-05-17 waiting after 6 attempts").is_visible()


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_the_window(opened: Callable[..., Page], path: str) -> None:
    tab = opened(path)
    for width in (1240, 768, 360):
        tab.set_viewport_size({"width": width, "height": 700})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_shapes_tell_the_states_apart_without_colour(opened: Callable[..., Page]) -> None:
    tab = opened("/apps/shop-india")
    marks = ("stored", "missing", "waiting", "waived", "noted")
    shapes = [str(tab.evaluate(f"document.getElementById('{mark}').outerHTML")) for mark in marks]
    assert len({re.sub(r'(id|class)="[^"]*"', "", shape) for shape in shapes}) == len(marks)


def test_the_pages_print_on_few_sheets(opened: Callable[..., Page], tmp_path: Path) -> None:
    for path, most in (("/", 1), ("/apps/shop-india", 2)):
        tab = opened(path)
        margin = dict.fromkeys(("top", "right", "bottom", "left"), "15mm")
        printed = tab.pdf(format="A4", margin=margin)
        assert 1 <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") <= most
        assert len(printed) > 5_000


def test_the_pictures_show_the_pages(opened: Callable[..., Page], tmp_path: Path) -> None:
    folder = Path(os.environ.get("REPORTSYNC_PICTURES", tmp_path))
    view = {"width": 1240, "height": 780}
    for path, name in (("/", "status-overview"), ("/apps/shop-india", "status-app")):
        tab = opened(path, color_scheme="light", viewport=view)
        height = min(view["height"] + (260 if "app" in path else 0), 1040)
        tab.set_viewport_size({"width": view["width"], "height": height})
        picture = folder / f"{name}.png"
        tab.screenshot(path=picture)
        assert 20_000 < picture.stat().st_size < 300_000
