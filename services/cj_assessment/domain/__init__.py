"""Rules and states of an assessment, as plain functions and frozen values."""
