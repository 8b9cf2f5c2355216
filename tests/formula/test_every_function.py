"""The checks that function authors run, over every function of the language."""

from __future__ import annotations

from engine.testing.functions import function_checks

test_functions = function_checks("*")
