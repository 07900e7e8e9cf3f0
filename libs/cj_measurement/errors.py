"""The errors of the library.

MeasurementError
├── InvalidComparisons   arrays that contradict each other or their description: length, range, weight, an item
│                        against itself, fewer than two items
├── InvalidArgument      a start, a prior, a setting or a judge that the comparisons do not allow
├── GraphNotConnected    parts were never compared with each other: there is no common scale
├── TooLarge             an exact result that would not fit into memory; the message names what to use instead
├── Singular             a matrix is singular to rounding: the comparisons leave something open that is asked for
└── NotConverged         the fit did not reach its tolerance: no result is better than a wrong one

Nothing else is raised for a reason in the comparisons: errors and warnings of numpy and scipy stay inside.
"""

from typing import Final

import numpy as np


class MeasurementError(Exception):
    """What the library cannot compute, and what to do about it."""


class InvalidComparisons(MeasurementError):
    """The comparisons contradict their own description."""


class InvalidArgument(MeasurementError):
    """An argument that these comparisons do not allow."""


class GraphNotConnected(MeasurementError):
    """Items fall into parts that were never compared with each other."""


class TooLarge(MeasurementError):
    """The exact result would need more memory than is reasonable."""


class Singular(MeasurementError):
    """A matrix is singular to rounding: the comparisons leave something open that is asked for."""


class NotConverged(MeasurementError):
    """The solver did not reach its tolerance."""


NUMERICAL_ERRORS: Final = (MeasurementError, np.linalg.LinAlgError, ArithmeticError)
"""What a computation may raise for a reason in the numbers it is given, rather than for a mistake in the code."""
