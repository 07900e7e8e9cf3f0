"""The reference pages: topics, settings and commands."""

from collections.abc import Iterable, Mapping
from typing import Any

import typer
import typer.main
from event_contracts import ALL_TOPICS
from pydantic_settings import BaseSettings

from suite.generated.environment import vendors_of
from suite.generated.pages import page
from suite.installed import SERVICES


def topics_page() -> str:
    """Every topic with its event, producers and consumers."""
    rows = [
        f"| {spec.event.__name__} | `{spec.topic}` | {', '.join(spec.producers)} | {', '.join(spec.consumers)} |"
        for spec in ALL_TOPICS
    ]
    return page("Topics", ["| event | topic | producers | consumers |", "|---|---|---|---|", *rows])


def settings_page() -> str:
    """Every setting of every service."""
    lines: list[str] = []
    documented: list[tuple[str, type[BaseSettings]]] = []
    for service in SERVICES:
        documented.append((service.title, service.settings))
        documented += [(f"{service.title}: {name}", own) for name, own in vendors_of(service)]
    for name, settings in documented:
        lines += [f"## {name}", "", "| variable | default | meaning |", "|---|---|---|"]
        lines += [*_settings_rows(settings), ""]
    return page("Settings", lines)


def _settings_rows(settings: type[BaseSettings]) -> Iterable[str]:
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        default = (
            "**required**" if field.is_required() else f"`{field.get_default(call_default_factory=True)}`"
        )
        yield f"| `{prefix}{name.upper()}` | {default} | {field.description or ''} |"


def commands_page(programs: Mapping[str, typer.Typer]) -> str:
    """Every command with its options, of these programs by name."""
    lines: list[str] = []
    for name, app in programs.items():
        lines += [f"## {name}", ""]
        lines += _group_lines(name, typer.main.get_command(app))
    return page("Commands", lines)


def _group_lines(program: str, group: Any) -> list[str]:
    """The commands of a program and of its command groups."""
    lines: list[str] = []
    context = typer.Context(group, info_name=program)
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            lines += _group_lines(f"{program} {name}", command)
        else:
            lines += _command_lines(program, command, context)
    return lines


def _command_lines(program: str, command: Any, context: Any) -> list[str]:
    lines = [f"### {program} {command.name}", "", command.help or "", "", "| option | meaning |", "|---|---|"]
    for parameter in command.get_params(context):
        if parameter.name == "help":
            continue
        names = ", ".join(parameter.opts) if parameter.param_type_name == "option" else parameter.name.upper()
        lines.append(f"| `{names}` | {getattr(parameter, 'help', None) or ''} |")
    return [*lines, ""]
