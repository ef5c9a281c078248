"""Lets pytest explain the assertions of the shipped suite."""

import pytest

pytest.register_assert_rewrite("stackwright.testing.sql_contract")
