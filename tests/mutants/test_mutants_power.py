"""Every mutant of the power cuts is caught; see `power.py` beside this file."""

import pytest

from .caught import test_every_mutant_is_caught, test_the_unbroken_program_passes_the_same_tests

__all__ = ["test_every_mutant_is_caught", "test_the_unbroken_program_passes_the_same_tests"]

pytestmark = pytest.mark.slow
