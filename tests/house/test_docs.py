"""What the docs say is what the code says."""

from stackwright.providers import describe
from tests.house.reference import FOLDER


def test_the_reference_of_providers_is_up_to_date() -> None:
    written = {path.name: path.read_text() for path in FOLDER.glob("*.md")}

    assert written == describe.pages(), "run: make docs"
