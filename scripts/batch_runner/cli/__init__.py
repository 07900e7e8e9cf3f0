"""cj-run: plan, try out and execute the assessment of a folder of essays; analyse judgement data; simulate."""

from batch_runner.cli import anchor_commands, finished, plans, preflights, replays, runs, studies
from batch_runner.cli.app import app

__all__ = ["anchor_commands", "app", "finished", "plans", "preflights", "replays", "runs", "studies"]
