"""The generated pages of docs/reference: `make docs` writes them, a test compares them."""

from stackwright.providers import describe
from tests.house.sources import ROOT

FOLDER = ROOT / "docs" / "reference" / "providers"


def write() -> None:
    """Write every page, and remove those of provider types that are gone."""
    pages = describe.pages()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    write()
