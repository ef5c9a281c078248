"""Secrets are taken out of every text by one rule."""

import json
import logging
from typing import Any

import pytest

from stackwright.app.logging import configure
from stackwright.config.secret import MASK, Secret, known_secrets, redacted


@pytest.mark.parametrize(
    ("text", "secret", "shown"),
    [
        ("xhunter2x", "hunter2", f"x{MASK}x"),
        ("the password is abcd.", "abcd", f"the password is {MASK}."),
        ("a cab at a:1", "a", f"{MASK} cab at {MASK}:1"),
        ("key 12, not 123", "12", f"key {MASK}, not 123"),
        ("line\n", "line\n", f"{MASK}\n"),
        ("nothing", "", "nothing"),
    ],
)
def test_a_secret_of_four_characters_is_masked_anywhere_a_shorter_one_as_a_word(
    text: str, secret: str, shown: str
) -> None:
    assert redacted(text, [secret]) == shown


def test_the_longest_secret_goes_first() -> None:
    assert redacted("abcdef abcd", ["abcd", "abcdef"]) == f"{MASK} {MASK}"


def test_every_secret_that_is_alive_is_masked_and_the_password_in_a_url_also_decoded() -> None:
    url = Secret("redis://me:pw%2Fof%40url@h")
    assert redacted("ERR pw/of@url, pw%2Fof%40url") == f"ERR {MASK}, {MASK}"
    del url


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str]) -> Any:
    """Log something, and return the line as it was written."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def written(**data: Any) -> Any:
        configure(known_secrets, human=False)
        logging.getLogger("test").info("said hunter2", extra={"data": data})
        return json.loads(capsys.readouterr().err)

    yield written
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_log_line_holds_no_secret_however_deep(line: Any) -> None:
    secret = Secret("hunter2")
    found = line(
        headers={"authorization": "Bearer hunter2", "hunter2": [1, ("hunter2", None)]},
        error=ValueError("hunter2"),
        many={"hunter2"},
        count=2,
    )
    assert secret.reveal() not in json.dumps(found)
    assert found["message"] == f"said {MASK}"
    assert found["headers"] == {"authorization": f"Bearer {MASK}", MASK: [1, [MASK, None]]}
    assert (found["error"], found["many"], found["count"]) == (f"ValueError('{MASK}')", [MASK], 2)


def test_a_long_text_is_cut_however_deep(line: Any) -> None:
    (found,) = line(many=["x" * 10_000])["many"]
    assert len(found) < 9_000
