"""The errors of the library.

MeasurementError
├── InvalidComparisons   arrays of different length, an essay against itself, an item or judge out of range
├── GraphNotConnected    parts were never compared with each other: there is no common scale
└── NotConverged         the fit did not reach its tolerance: no result is better than a wrong one
"""


class MeasurementError(ValueError):
    """What the library cannot compute, and what to do about it."""


class InvalidComparisons(MeasurementError):
    """The comparisons contradict their own description."""


class GraphNotConnected(MeasurementError):
    """Items fall into parts that were never compared with each other."""


class NotConverged(MeasurementError):
    """The solver did not reach its tolerance."""
