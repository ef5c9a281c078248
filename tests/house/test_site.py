"""The documentation as a site: it builds without a warning, and asks nobody else's server for anything."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.pages import links
from tests.house.sources import ROOT

DOCS = ROOT / "docs"
INDEXES = (Path("decisions/README.md"), Path("reference/providers/index.md"))
"""Pages that list the other pages of their folder; those are not in the navigation."""
REMOTE = re.compile(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>")


@pytest.fixture(scope="module")
def site() -> Path:
    """The site, just built."""
    done = subprocess.run(["make", "site"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "build" / "site"


def test_every_page_is_built_and_its_blocks_are_blocks(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        place = page.relative_to(DOCS).with_suffix("")
        place = place.parent if place.name in ("README", "index") else place
        built = (site / place / "index.html").read_text()
        assert page.read_text().splitlines()[0].removeprefix("# ").replace("`", "").split("'")[0] in built, page
        assert "<p>```" not in built, f"{page}: a block with a file's name is written ```yaml title=..."


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = [REMOTE.findall(page.read_text()) for page in site.rglob("*.html")]
    assert len(loaded) > 20
    assert [each for each in loaded if each] == []


def test_every_page_is_in_the_navigation_or_in_an_index() -> None:
    named = set(_leaves(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]))
    for index in INDEXES:
        named |= {f"{index.parent}/{name}" for name in links(DOCS / index) if "/" not in name}
    assert {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - named == set()


def _leaves(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
        return
    for each in nav.values() if isinstance(nav, dict) else nav:
        yield from _leaves(each)
