"""Decisions of any origin, read from a table: its columns, coding and ids, and which of its rows are not decisions."""
