"""Amounts of money on the terminal."""

from decimal import Decimal


def dollars(amount: Decimal | float) -> str:
    """US dollars with two decimals; with four below one dollar, so that a cent's part is not shown as nothing."""
    return f"${amount:.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"
