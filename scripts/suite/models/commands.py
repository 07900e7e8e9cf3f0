"""cj-suite models: the models that can judge, their parameters and prices, and whether these are up to date."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated, Final, NoReturn

import httpx2
import typer
from command_line.exit_codes import ExitCode, ManifestExitCode
from event_contracts import InvalidRequest, LLMConfigOverrides, LLMProvider, SuiteError
from model_manifest import Model, get_model, list_models, validate_llm_overrides
from model_manifest.checking import Severity
from model_manifest.inspection import Asked, Inspection, inspect_provider, most_urgent
from model_manifest.manifest import providers_with
from model_manifest.price_list import PRICE_LIST, rates_on, source_name
from model_manifest.vendor_lists import VENDORS, Vendor
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from suite.models.tables import (
    facts_table,
    findings_table,
    model_facts,
    models_table,
    price_table,
    resolved_facts,
)

TIMEOUT_SECONDS: Final = 20.0
EXIT_CODES: Final = {
    Severity.NOTICE: ManifestExitCode.UP_TO_DATE,
    Severity.NOT_ASKED: ManifestExitCode.NOT_ASKED,
    Severity.BREAKING: ManifestExitCode.BREAKING,
    Severity.NEWER: ManifestExitCode.NEWER,
    Severity.UNKNOWN_FAMILY: ManifestExitCode.UNKNOWN_FAMILY,
}
VERDICTS: Final = {
    ManifestExitCode.UP_TO_DATE: "up to date",
    ManifestExitCode.NOT_ASKED: "could not ask",
    ManifestExitCode.BREAKING: "retired or breaking",
    ManifestExitCode.NEWER: "newer in a tracked family",
    ManifestExitCode.UNKNOWN_FAMILY: "unknown family",
}

models_app = typer.Typer(
    no_args_is_help=True,
    help="The models that can judge: their parameters and prices, and whether these are up to date.",
)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
On = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="The day that prices and retirements are looked up for; today if left out."
    ),
]
OneProvider = Annotated[str | None, typer.Option(help="Only the models of this provider.")]


@models_app.command("list")
def list_command(
    provider: OneProvider = None,
    everything: Annotated[bool, typer.Option("--all", help="Deprecated and retired models as well.")] = False,
    as_json: AsJson = False,
    on: On = None,
) -> None:
    """List the usable models with their sizes, parameters and prices."""
    day = _day(on)
    try:
        models = list_models(provider=provider, include_deprecated=everything, today=day)
    except SuiteError as error:
        _refuse(error.message)
    if as_json:
        _print_json([_as_json(model, day) for model in models])
        return
    console.print(models_table(models, day))
    console.print(
        f"$: per million tokens of a short prompt on {day}; ?: not in {PRICE_LIST}.\n"
        "effort: none means no reasoning at all. *: only with reasoning_effort=none.",
        style="dim",
    )


@models_app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[PROVIDER/]MODEL", help="For example anthropic/claude-haiku-5-5, or claude-haiku-5-5."
        ),
    ],
    as_json: AsJson = False,
    on: On = None,
) -> None:
    """Show everything that is known of one model."""
    day = _day(on)
    try:
        model = _named(name)
    except SuiteError as error:
        _refuse(error.message)
    if as_json:
        _print_json(_as_json(model, day))
        return
    console.print(f"[bold]{escape(model.name)}[/]  {escape(model.full_name)}")
    console.print(facts_table(model_facts(model)))
    console.print(price_table(model, day))


@models_app.command()
def validate(
    provider: Annotated[
        str | None, typer.Option(help="Provider; left out, it follows from the model.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model; left out, the provider's default.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 is a value, not the default.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Output tokens at most, reasoning included.")] = None,
    reasoning_effort: Annotated[str | None, typer.Option(help="none, low, medium or high.")] = None,
    verbosity: Annotated[str | None, typer.Option(help="low, medium or high.")] = None,
    as_json: AsJson = False,
    on: On = None,
) -> None:
    """Check whether a judge is accepted with these parameters: exit code 0, or 2 and the reason."""
    asked = {
        "provider_override": provider,
        "model_override": model,
        "temperature_override": temperature,
        "max_tokens_override": max_tokens,
        "reasoning_effort": reasoning_effort,
        "output_verbosity": verbosity,
    }
    try:
        overrides = LLMConfigOverrides.model_validate(asked)
        resolved = validate_llm_overrides(overrides, default_provider=LLMProvider.MOCK, today=_day(on))
    except ValidationError as error:
        _refuse(InvalidRequest.of(error).message)
    except SuiteError as error:
        _refuse(error.message)
    if as_json:
        _print_json(asdict(resolved))
        return
    console.print(facts_table(resolved_facts(resolved)))
    for warning in resolved.warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False)


@models_app.command()
def check(
    provider: Annotated[list[str] | None, typer.Option(help="Only this vendor; may be repeated.")] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="Where the vendor's list is, for one --provider; or set ANTHROPIC_BASE_URL and so on."
        ),
    ] = None,
    as_json: AsJson = False,
    on: On = None,
) -> None:
    """Compare the models with the price list and with the vendors' own lists.

    A vendor is asked with the key in ANTHROPIC_API_KEY, OPENAI_API_KEY,
    GOOGLE_API_KEY or OPENROUTER_API_KEY. Without one, its models are compared
    with the price list alone.

    Exit code: 0 up to date, 2 could not ask, 3 retired or breaking,
    4 newer in a tracked family, 5 unknown family; of several, the first in the
    order 3, 2, 4, 5.
    """
    vendors = _vendors(provider, base_url)
    day = _day(on)
    with httpx2.Client(timeout=TIMEOUT_SECONDS) as client:
        inspections = [_inspect(vendor, client, base_url, day) for vendor in vendors]
    code = EXIT_CODES[most_urgent(inspections)]
    if as_json:
        _print_json(_report(inspections, code, day))
    else:
        _print_report(inspections, code)
    raise typer.Exit(code)


def _named(name: str) -> Model:
    """The model of a full name, or the only one of a plain id."""
    provider, slash, model_id = name.partition("/")
    if slash:
        return get_model(provider, model_id)
    owners = providers_with(name)
    if len(owners) != 1:
        raise InvalidRequest(
            f"{name} is offered by {', '.join(owners) or 'no provider'}: use one of PROVIDER/MODEL as in `models list`"
        )
    return get_model(owners[0], name)


def _vendors(chosen: Sequence[str] | None, base_url: str | None) -> list[Vendor]:
    if base_url is not None and len(chosen or ()) != 1:
        _refuse("--base-url is one vendor's: give it with --provider")
    without = [provider for provider in chosen or () if provider not in VENDORS]
    if without:
        _refuse(f"{without[0]} has no list to compare with: choose from {', '.join(VENDORS)}")
    return [vendor for provider, vendor in VENDORS.items() if not chosen or provider in chosen]


def _inspect(vendor: Vendor, client: httpx2.Client, base_url: str | None, day: date) -> Inspection:
    key = os.environ.get(vendor.key_variable)
    address = base_url or os.environ.get(vendor.base_url_variable)
    ask = partial(vendor.list_models, client, api_key=key, base_url=address) if key else None
    return inspect_provider(vendor.provider, ask=ask, today=day)


def _report(inspections: Sequence[Inspection], code: ManifestExitCode, day: date) -> dict[str, object]:
    return {
        "exit_code": code,
        "verdict": VERDICTS[code],
        "day": day,
        "price_list": PRICE_LIST,
        "vendors": {inspection.provider: inspection.vendor for inspection in inspections},
        "findings": [asdict(found) for inspection in inspections for found in inspection.findings],
    }


def _print_report(inspections: Sequence[Inspection], code: ManifestExitCode) -> None:
    for inspection in inspections:
        console.print(f"[bold]{inspection.provider}[/]  [dim]{PRICE_LIST}; {_vendor_line(inspection)}[/]")
        if inspection.findings:
            console.print(findings_table(inspection.findings))
    style = "green" if code is ManifestExitCode.UP_TO_DATE else "bold"
    console.print(f"{VERDICTS[code]} (exit code {code})", style=style)


def _vendor_line(inspection: Inspection) -> str:
    if inspection.vendor is Asked.NO_KEY:
        return f"the vendor was not asked: set {VENDORS[inspection.provider].key_variable}"
    return "the vendor's own list" if inspection.vendor is Asked.YES else "the vendor did not answer"


def _as_json(model: Model, day: date) -> dict[str, object]:
    direct, batch = rates_on(model, day), rates_on(model, day, batch=True)
    return {
        **model.model_dump(mode="json"),
        "price": None if direct is None else asdict(direct),
        "batch_price": None if batch is None else asdict(batch),
        "price_list": None if direct is None else source_name(model),
        "retired": model.is_retired(day),
    }


def _day(on: datetime | None) -> date:
    return (on or datetime.now(UTC)).date()


def _print_json(value: object) -> None:
    console.print_json(json.dumps(value, default=str))


def _refuse(reason: str) -> NoReturn:
    errors.print(reason, style="red", markup=False)
    raise typer.Exit(ExitCode.USAGE)
