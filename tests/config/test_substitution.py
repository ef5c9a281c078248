"""Laws of `${...}`, and secrets that are read again."""

import string
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackwright.config.env import Substitution
from stackwright.config.secret import MASK, Secret, Substituted, Unresolved, known_secrets, mask_url, smells

NAMES = st.text(string.ascii_uppercase + "_", min_size=1, max_size=8)
PLAIN = st.text(st.characters(exclude_characters="${}", codec="utf-8"), max_size=20)


ROOT = Path("/")


def substitute(text: str, folder: Path = ROOT, /, **environ: str) -> str:
    """Substitute with these variables."""
    return Substitution(environ, folder)(text)


@given(PLAIN)
def test_text_without_substitutions_stays_as_it_is(text: str) -> None:
    assert substitute(text) is text


@given(NAMES, PLAIN.filter(bool), PLAIN, PLAIN)
def test_a_variable_that_is_set_wins_over_its_default(name: str, value: str, before: str, default: str) -> None:
    text = f"{before}${{env.{name}:={default}}}!"
    assert substitute(text, ROOT, **{name: value}) == f"{before}{value}!"
    assert substitute(text, ROOT, **{name: ""}) == substitute(text) == f"{before}{default}!"


@given(NAMES, PLAIN)
def test_the_plus_form_is_text_exactly_when_the_variable_is_set(name: str, text: str) -> None:
    assert substitute(f"${{env.{name}:+{text}}}", ROOT, **{name: "x"}) == text
    assert substitute(f"${{env.{name}:+{text}}}") == ""


@given(st.text(max_size=30))
def test_what_a_variable_holds_is_never_substituted_again(value: str) -> None:
    assert substitute("${env.A:=}", A=value, B="no") == value


@given(
    st.lists(st.sampled_from(["$", "{", "}", "${", "$${", "env.A", "file:", ":=", ":+", "x"]), max_size=20).map("".join)
)
def test_any_text_gives_text_or_a_problem(text: str) -> None:
    with suppress(Unresolved):
        assert isinstance(substitute(text, A="a"), str)


def test_a_default_in_the_shells_words_is_told_in_ours() -> None:
    with pytest.raises(Unresolved, match=r":=default.*':-' is the shell's\.$") as told:
        substitute("${env.A:-secret}")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$${env.A}", "${env.A}"),
        ("a$${b}${env.A}", "a${b}1"),
        ("${env.NO:=${env.A}}", "1"),
        ("${env.NO:=${env.NO2:=${env.A}}x}", "1x"),
        ("${env.NO:=$${env.A}}", "${env.A}"),
        ("${env.A:=${env.MISSING}}", "1"),
        ("${env.A:+${env.B}:8000}", "2:8000"),
        ("${env.A}-${env.B}", "1-2"),
        ("${env.NO:=a:=b}", "a:=b"),
        ("cost: $5", "cost: $5"),
        ("{$}", "{$}"),
    ],
)
def test_substitutions_nest(text: str, result: str) -> None:
    assert substitute(text, A="1", B="2") == result


@pytest.mark.parametrize(
    "text", ["${A}", "${env.}", "${env.A:-x}", "${env.A", "${env.A:=${env.B}", "${}", "${env.1A}", "${env.A:x}"]
)
def test_what_is_no_substitution_is_a_problem_and_is_not_shown(text: str) -> None:
    with pytest.raises(Unresolved, match=r"\$\{env.NAME\}"):
        substitute(text, A="secret")


def test_all_missing_variables_are_named_at_once() -> None:
    with pytest.raises(Unresolved, match=r"variable A is not set.*variable B is not set"):
        substitute("${env.A}${env.B}")


def test_a_file_is_read_without_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b" two\nlines \r\n")
    assert substitute(f"${{file:{tmp_path}/x}}") == " two\nlines "
    assert substitute("${file:x}", tmp_path) == substitute("${file:${env.F}}", tmp_path, F="x") == " two\nlines "


@pytest.mark.parametrize("name", ["none", ".", "empty", "binary", "huge", "a\0b", "~nobody-of-this-name/x"])
def test_a_file_that_gives_nothing_is_a_problem(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_bytes(b"x" * (1 << 20) + b"y")
    with pytest.raises(Unresolved, match="The file that"):
        substitute(f"${{file:{name}}}", tmp_path)


def test_a_rotated_secret_is_read_again_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first\n")
    secret = Secret(substitute("${file:password}", tmp_path))
    assert secret.reveal() == "first"
    assert not secret.renew()
    file.write_text("second\n")
    assert secret.renew()
    assert secret.reveal() == "second"
    assert "second" in known_secrets()
    file.unlink()
    assert not secret.renew()
    assert secret.reveal() == "second"


def test_a_literal_secret_has_nothing_to_read_again() -> None:
    assert not Secret("x").renew()


def test_known_secrets_are_those_alive_and_the_passwords_inside() -> None:
    secret = Secret("postgresql://u:pw-of-a-url@h/db?token=tok-of-a-url")
    assert {secret.reveal(), "pw-of-a-url", "tok-of-a-url"} <= known_secrets()
    gone = secret.reveal()
    del secret
    assert gone not in known_secrets()


def test_what_came_from_the_file_itself_is_not_foreign() -> None:
    inner = substitute("${env.A:+text}${env.B:=default}", A="x")
    outer = substitute("${env.A}", A="x")
    assert isinstance(inner, Substituted)
    assert isinstance(outer, Substituted)
    assert (inner.foreign, outer.foreign) == (False, True)


@pytest.mark.parametrize(
    "name", ["password", "api_key", "apiKey", "HF_TOKEN", "client-secret", "AdminPassword", "Authorization"]
)
def test_names_of_secrets_smell(name: str) -> None:
    assert smells(name)


@pytest.mark.parametrize("name", ["user", "host", "tokenizer", "keyboard", "monkey", "base_url", "namespace"])
def test_other_names_do_not(name: str) -> None:
    assert not smells(name)


def test_passwords_in_urls_are_masked() -> None:
    assert mask_url("redis://u:p@ss@h/0?password=x&db=1") == f"redis://u:{MASK}@h/0?password={MASK}&db=1"
    assert mask_url("redis://:pw@h") == f"redis://:{MASK}@h"
    assert mask_url("http://host:80/a") == "http://host:80/a"
