"""How wide an interval is."""

from typing import Final

Z_90: Final = 1.6448536269514722
"""Half the width of a 90 % interval in standard errors."""
