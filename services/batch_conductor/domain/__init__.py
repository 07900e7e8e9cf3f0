"""Rules of pipelines and outcomes of phases, as plain functions and frozen values."""
