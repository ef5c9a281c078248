"""Regular expressions as far as llama.cpp makes grammars of them: anything else it prints, and accepts any string."""

import re

_TOKEN = re.compile(
    r"""
      (?P<set> \[ (?: [^]\\] | \\[]["\\nrt-] )+ ] )
    | (?P<open> \( (?: \?: )? (?!\?) )
    | (?P<close> \) )
    | (?P<alternative> \| )
    | (?P<repeat> [*+?] | \{ (?P<low>[0-9]{1,9}) (?: , (?P<high>[0-9]{1,9})? )? } )
    | (?P<one> \. | \\[]$()*+.?[^{|}-] | [^]["\\(){}|*+?^$\x00-\x1f\x7f] )
    """,
    re.VERBOSE,
)


class BadPattern(ValueError):
    """A pattern that is no part of a grammar. The message goes on after its name."""


class _Group:
    """What has been read of a group: how much, and whether it may match nothing."""

    def __init__(self) -> None:
        self.weight = 1
        self._may_be_empty = False
        self._before = True
        self._last: tuple[int, bool] | None = None

    def add(self, weight: int, empty: bool) -> None:
        self._before, self._last = self._ends_empty(), (weight, empty)
        self.weight += weight

    def repeat(self, low: int, high: int) -> None:
        if self._last is None:
            raise BadPattern("repeats nothing")
        weight, empty = self._last
        # Where it may be empty, every number of repetitions is right at once.
        if empty:
            raise BadPattern("repeats what may be empty already")
        if low > high:
            raise BadPattern("repeats at least more often than at most")
        times = max(high, 1)
        self._last = (weight * times, low == 0)
        self.weight += weight * (times - 1)

    def alternative(self) -> None:
        self._may_be_empty |= self._ends_empty()
        self._before, self._last = True, None

    def empty(self) -> bool:
        return self._may_be_empty or self._ends_empty()

    def _ends_empty(self) -> bool:
        return self._before and (self._last is None or self._last[1])


def weight(pattern: str) -> int:
    """Return how many parts a pattern has when its repetitions are written out.

    Raises:
        BadPattern: It is contradictory, or has syntax that no grammar of llama.cpp's has.
    """
    if not (pattern.startswith("^") and pattern.endswith("$") and len(pattern) > 1):
        raise BadPattern("must begin with '^' and end with '$'")
    groups = [_Group()]
    at, end = 1, len(pattern) - 1
    while at < end:
        token = _TOKEN.match(pattern, at, end)
        if token is None:
            raise BadPattern(_why(pattern[at]) + f", at position {at}")
        _take(token, groups)
        at = token.end()
    if len(groups) > 1:
        raise BadPattern("opens a group that it does not close")
    return groups[0].weight


def _take(token: re.Match[str], groups: list[_Group]) -> None:
    match token.lastgroup:
        case "open":
            groups.append(_Group())
        case "close":
            if len(groups) == 1:
                raise BadPattern("closes a group that it did not open")
            group = groups.pop()
            groups[-1].add(group.weight, group.empty())
        case "alternative":
            groups[-1].alternative()
        case "one":
            groups[-1].add(1, False)
        case "set":
            _check_ranges(token[0][1:-1].removeprefix("^"))
            groups[-1].add(1, False)
        case _:
            groups[-1].repeat(*_times(token))


def _times(token: re.Match[str]) -> tuple[int, int]:
    if token["low"] is None:
        return {"*": (0, 1), "+": (1, 1), "?": (0, 1)}[token[0]]
    low = int(token["low"])
    return low, int(token["high"] or max(low, 1))


def _why(character: str) -> str:
    if character == "{":
        return "has braces that are not '{n}', '{n,}' or '{n,m}'"
    if character == "\\":
        return "has an escape that no grammar knows (write '[0-9]' for '\\d')"
    return "has what no grammar can hold"


def _check_ranges(members: str) -> None:
    singles = re.findall(r"\\.|[^\\]", members, re.DOTALL)
    at = 0
    while at < len(singles):
        if singles[at + 1 : at + 2] == ["-"] and at + 2 < len(singles):
            if singles[at][-1] > singles[at + 2][-1]:
                raise BadPattern(f"has a range that runs backwards: '{''.join(singles[at : at + 3])}'")
            at += 2
        at += 1
