"""What an installation of the core weighs, read off this environment."""

import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from importlib.util import cache_from_source
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def core() -> dict[str, float]:
    """Return the packages of an installation without extras, with their sizes in MB (10**6 bytes)."""
    found = {"stackwright": sum(f.stat().st_size for f in (ROOT / "src").rglob("*") if f.is_file()) / 1e6}
    # Not what is installed of ourselves: that may be older than the file.
    waiting = list(_names(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]))
    while waiting:
        name = waiting.pop()
        if name not in found:
            dist = distribution(name)
            found[name] = sum(_sizes(dist)) / 1e6
            waiting += _names(dist.requires or ())
    return found


def _names(needs: Iterable[str]) -> Iterator[str]:
    for text in needs:
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            yield need.name.lower().replace("_", "-").replace(".", "-")


def _sizes(dist: Distribution) -> Iterator[int]:
    for file in dist.files or ():
        path = Path(str(file.locate()))
        if path.suffix != ".pyc":
            yield from (each.stat().st_size for each in (path, *_compiled(path)) if each.is_file())


def _compiled(path: Path) -> Iterator[Path]:
    if path.suffix == ".py":
        yield Path(cache_from_source(str(path)))
