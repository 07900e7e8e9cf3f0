"""The errors of the library.

MeasurementError
├── InvalidComparisons   arrays that contradict each other or their description: length, range, weight, an item
│                        against itself, fewer than two items
├── InvalidArgument      a start, a prior, a setting or a judge that the comparisons do not allow
├── GraphNotConnected    parts were never compared with each other: there is no common scale
├── TooLarge             an exact result that would not fit into memory; the message names what to use instead
└── NotConverged         the fit did not reach its tolerance: no result is better than a wrong one
"""


class MeasurementError(ValueError):
    """What the library cannot compute, and what to do about it."""


class InvalidComparisons(MeasurementError):
    """The comparisons contradict their own description."""


class InvalidArgument(MeasurementError):
    """An argument that these comparisons do not allow."""


class GraphNotConnected(MeasurementError):
    """Items fall into parts that were never compared with each other."""


class TooLarge(MeasurementError):
    """The exact result would need more memory than is reasonable."""


class NotConverged(MeasurementError):
    """The solver did not reach its tolerance."""
