"""cj-run: plan, try out and execute the assessment of a folder of essays; analyse judgement data; simulate."""

from batch_runner.cli import finished, plans, runs, studies
from batch_runner.cli.app import app

__all__ = ["app", "finished", "plans", "runs", "studies"]
