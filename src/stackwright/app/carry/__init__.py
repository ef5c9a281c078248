"""Carrying the rows of Llama Stack's stores over into ours.

`carry` reads what a run file of Llama Stack's names (`storage.foreign`), turns each row into the one that we would have
written (`completions`, `conversations`, `responses`, `prompts`, `models`, `files`), writes those that are not there yet
(`shelves`, and `blobs` for what has bytes beside its row), and reads everything again. It keeps no notes: what is there
already says how far it got.
"""

from stackwright.app.carry.aside import Taken
from stackwright.app.carry.report import Left, Report, Tally
from stackwright.app.carry.whole import Options, carry

__all__ = ["Left", "Options", "Report", "Taken", "Tally", "carry"]
