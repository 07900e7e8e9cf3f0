"""Several judges side by side: panels, the correlation of their scales, qualification of a new judge."""
