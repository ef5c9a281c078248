"""The run file as types."""

from stackwright.config.complaint import Complaint, RunFileError
from stackwright.config.load import load, loads
from stackwright.config.runfile import RunFile

__all__ = ["Complaint", "RunFile", "RunFileError", "load", "loads"]
