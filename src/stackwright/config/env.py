"""Substitution: `${env.X}`, `${env.X:=default}`, `${env.X:+value}`, `${file:/path}`, and `$${` for a literal `${`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stackwright.config.secret import Substituted, Unresolved

LARGEST_FILE = 1 << 20
DEEPEST = 16
FORMS = "${env.NAME}, ${env.NAME:=default}, ${env.NAME:+value} or ${file:/path}; $${ is a literal ${"

_OPENING = re.compile(r"\$\$\{|\$\{")
_BRACE = re.compile(r"\$\$\{|\$\{|\}")
_ENV = re.compile(r"env\.([A-Za-z_][A-Za-z0-9_]*)(?::([=+])(.*))?", re.DOTALL)
_SHELL = re.compile(r"env\.[A-Za-z_][A-Za-z0-9_]*:-")


@dataclass(frozen=True)
class Substitution:
    """Where the values come from: variables, and files relative to the run file's folder."""

    environ: Mapping[str, str]
    folder: Path

    def __call__(self, text: str) -> str:
        """Return `text` with every `${...}` replaced.

        Raises:
            Unresolved: A variable is missing or empty, a file cannot be read, or the syntax is none. Names all of them.
        """
        if "${" not in text:
            return text
        pass_ = _Pass(self)
        return Substituted(pass_.finish(text), lambda: _Pass(self).finish(text), pass_.foreign)


@dataclass
class _Pass:
    """One evaluation of one text."""

    source: Substitution
    problems: list[str] = field(default_factory=list)
    foreign: bool = False

    def finish(self, text: str) -> str:
        value = self.expand(text, 0)
        if self.problems:
            raise Unresolved(" ".join(dict.fromkeys(self.problems)))
        return value

    def expand(self, text: str, depth: int) -> str:
        parts: list[str] = []
        at = 0
        while opening := _OPENING.search(text, at):
            parts.append(text[at : opening.start()])
            at = opening.end()
            if opening[0] == "$${":
                parts.append("${")
                continue
            end = _closing(text, at)
            if end is None or depth > DEEPEST:
                return self.problem(f"A ${{ is not closed, or nested deeper than {DEEPEST}. Known: {FORMS}.")
            parts.append(self.one(text[at:end], depth))
            at = end + 1
        return "".join(parts) + text[at:]

    def one(self, body: str, depth: int) -> str:
        if found := _ENV.fullmatch(body):
            name, operator, other = found.groups()
            return self.variable(name, operator, other, depth)
        if body.startswith("file:"):
            return self.file(self.expand(body.removeprefix("file:"), depth + 1))
        # The text itself may be part of a password, so it is not shown.
        words = f"A ${{...}} is not a substitution. Known: {FORMS}."
        return self.problem(f"{words} ':-' is the shell's." if _SHELL.match(body) else words)

    def variable(self, name: str, operator: str | None, other: str, depth: int) -> str:
        value = self.source.environ.get(name, "")
        if operator == "+":
            return self.expand(other, depth + 1) if value else ""
        if value:
            self.foreign = True
            return value
        if operator == "=":
            return self.expand(other, depth + 1)
        return self.problem(f"The variable {name} is not set. Set it, or give a default: ${{env.{name}:=...}}.")

    def file(self, name: str) -> str:
        self.foreign = True
        try:
            path = self.source.folder / Path(name).expanduser()
            if not path.is_file():
                return self.problem("The file that ${file:...} names does not exist, or is not a file.")
            with path.open("rb") as stream:
                data = stream.read(LARGEST_FILE + 1)
            text = data.decode().removesuffix("\n").removesuffix("\r")
        except (OSError, RuntimeError, ValueError) as error:
            return self.problem(f"The file that ${{file:...}} names cannot be read ({type(error).__name__}).")
        if not text or len(data) > LARGEST_FILE:
            return self.problem("The file that ${file:...} names is empty, or larger than 1 MiB.")
        return text

    def problem(self, words: str) -> str:
        self.problems.append(words)
        return ""


def _closing(text: str, start: int) -> int | None:
    """Return where the brace that belongs to the `${` before `start` is."""
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += -1 if brace[0] == "}" else 1
        if depth == 0:
            return brace.start()
    return None
