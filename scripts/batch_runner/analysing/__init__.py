"""Judgement data of any origin: fitted, held against each other, drawn."""
