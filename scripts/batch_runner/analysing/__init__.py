"""Reading decisions of any origin: a table's columns, its coding, its ids, and what of it is no decision."""
