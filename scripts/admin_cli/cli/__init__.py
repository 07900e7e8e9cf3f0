"""The commands of cj-admin."""

from admin_cli.cli import anchors, batches, instructions, lists, login, texts, tokens
from admin_cli.cli.app import app

__all__ = ["anchors", "app", "batches", "instructions", "lists", "login", "texts", "tokens"]
