"""The report in a real Chromium: it renders, says nothing on the console, fits a phone, and obeys the keyboard."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_runner.reporting.page.rendering import render
from batch_runner.reporting.page.wording import Language
from batch_runner.tests.browser import Browser, browser, installed
from batch_runner.tests.simulated_run import simulated_run

TAB, ENTER = "\ue004", "\ue007"
HOSTILE = '</script><script>window.hit=1</script><img src=x onerror="window.hit=1">'
pytestmark = pytest.mark.skipif(
    not installed() and not os.environ.get("CI"), reason="install Debian's chromium and chromium-driver"
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    runs = {
        "en": render(simulated_run(24), Language.ENGLISH),
        "sv": render(simulated_run(24), Language.SWEDISH),
        "three": render(simulated_run(3, per_essay=4, anchors=0), Language.SWEDISH),
        "hostile": render(simulated_run(8, anchors=4, reason=HOSTILE, file=HOSTILE), Language.ENGLISH),
        "long": render(simulated_run(8, anchors=4, reason="x" * 500, name="y" * 64), Language.ENGLISH),
    }
    paths = {name: folder / f"{name}.html" for name in runs}
    for name, html in runs.items():
        paths[name].write_text(html, encoding="utf-8")
    return paths


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("name", ["en", "sv", "three", "hostile", "long"])
def test_the_page_fits_and_the_console_stays_empty(
    chromium: Browser, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    chromium.show(pages[name], width=width, dark=dark)
    chromium.run("document.querySelectorAll('details').forEach(each => each.open = true)")

    assert chromium.complaints() == []
    assert chromium.run(BEYOND) == []
    assert chromium.run("return document.querySelectorAll('.ranking .row use').length") > 0


def test_nothing_in_a_run_becomes_a_script(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.show(pages["hostile"])

    assert chromium.run("return typeof window.hit") == "undefined"
    assert HOSTILE in chromium.run("return document.querySelector('.meetings q').textContent")


def test_the_keyboard_reaches_an_essay_and_opens_it(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.show(pages["en"])

    chromium.press(TAB)
    assert chromium.run("return document.activeElement.className") == "skip"
    chromium.press(ENTER, TAB)
    assert chromium.run("return document.activeElement.id") == "filter"
    chromium.press(TAB, ENTER)

    assert chromium.run("return document.querySelector('#e1').open")
    assert chromium.run("return document.activeElement.parentElement.id") == "e1"


def test_the_ranking_is_filtered_as_one_types(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.show(pages["en"])
    chromium.run("document.getElementById('filter').focus()")

    chromium.press(*"anchor")
    assert chromium.run("return document.querySelectorAll('tr[data-id]:not([hidden])').length") == 9
    chromium.press(*"zz")

    assert chromium.run("return document.getElementById('none').textContent") == "No essay is called that."


@pytest.mark.parametrize("dark", [False, True])
def test_texts_have_the_contrast_that_wcag_asks_for(
    chromium: Browser, pages: dict[str, Path], dark: bool
) -> None:
    chromium.show(pages["en"], dark=dark)

    ratios = chromium.run(CONTRAST)

    assert min(ratios.values()) >= 4.5, ratios


CONTRAST = """
const style = getComputedStyle(document.documentElement);
const light = name => {
  let hex = style.getPropertyValue(name).trim().slice(1);
  if (hex.length === 3) hex = [...hex].map(each => each + each).join("");
  const part = [0, 2, 4].map(at => parseInt(hex.slice(at, at + 2), 16) / 255)
    .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
};
const found = {};
for (const ink of ["--ink", "--soft", "--blue", "--anchor", "--warn"])
  for (const ground of ["--paper", "--card", "--warnbg", "--band0"]) {
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    found[ink + " on " + ground] = (a + 0.05) / (b + 0.05);
  }
return found;
"""

BEYOND = """
const room = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= room) return [];
return [...document.querySelectorAll("main *, header *")]
  .filter(each => !each.closest('.wide') && each.getBoundingClientRect().right > room + 1)
  .slice(0, 8).map(each => each.outerHTML.slice(0, 90));
"""
"""Elements that make the page wider than the screen."""
