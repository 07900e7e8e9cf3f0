"""What intervals are computed with."""

from typing import Final

Z_90: Final = 1.6448536269514722
"""Half the width of a 90 % interval in standard errors."""

RESAMPLING_SEED: Final = 20_250_101
"""Of every resampling, so that the report and the analysis of one run give the same figures."""
