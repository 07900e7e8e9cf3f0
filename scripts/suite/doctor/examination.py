"""The whole examination, in the order in which things depend on each other."""

import asyncio
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import httpx2
from command_line.finding import Finding, clock, failed, not_checked, passed
from command_line.loopback import HOST
from pydantic import ValidationError
from pydantic_settings import SettingsError

from suite.doctor import servers
from suite.doctor.judges import judges
from suite.doctor.vendors import TIMEOUT_SECONDS, VendorCheck
from suite.generated.environment import variables_of
from suite.installed import SERVICES, InstalledService
from suite.stack.checking import MIN_FREE_BYTES
from suite.stack.configuration import setting_problems

MEGABYTE: Final = 1_000_000
ENDPOINT_PREFIX: Final = "LLM_PROVIDER_ENDPOINT_"
"""Keys and addresses of named endpoints, whose names only their file knows."""


def examine(
    data: Path,
    environment: Mapping[str, str] | None = None,
    *,
    compose: bool = False,
    with_judges: bool = False,
) -> Iterator[Finding]:
    """Every finding, as soon as it is known; ``data`` is where an embedded suite would keep its files.

    With ``compose`` the services are asked by the names of their containers, else on this machine. ``with_judges``
    tries each judge that has its key with one real comparison.
    """
    environment = os.environ if environment is None else environment
    yield disk(data)
    for service in SERVICES:
        yield settings(service, environment)
    yield unknown_settings(environment)
    with httpx2.Client(timeout=TIMEOUT_SECONDS) as client:
        vendors = VendorCheck(client)
        yield from vendors.findings()
    if vendors.vendor_time is None:
        yield not_checked("clock compared with a vendor's", "no vendor was asked: no key is set")
    else:
        theirs, ours = vendors.vendor_time
        yield clock("clock compared with a vendor's", theirs, ours=ours)
    if with_judges:
        yield from judges()
    yield from asyncio.run(_of_servers(environment, compose=compose))


async def _of_servers(environment: Mapping[str, str], *, compose: bool) -> list[Finding]:
    found: list[Finding] = []
    for service in SERVICES:
        found += await servers.database(service, environment)
    found.append(
        await servers.broker(
            _first(environment, "kafka_bootstrap_servers"),
            prefix=_first(environment, "kafka_topic_prefix") or "",
        )
    )
    async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        for service in SERVICES:
            host = service.container if compose else HOST
            found.append(await servers.service(service, client, host=host))
    return found


def _first(environment: Mapping[str, str], setting: str) -> str | None:
    values = (environment.get(service.variable(setting)) for service in SERVICES)
    return next((value for value in values if value), None)


def disk(data: Path) -> Finding:
    """Whether there is room where an embedded suite keeps its files."""
    where = next(path for path in (data.absolute(), *data.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(where).free
    if free < MIN_FREE_BYTES:
        said = (
            f"{free // MEGABYTE} MB are free at {where}, {MIN_FREE_BYTES // MEGABYTE} are needed: make room,"
            " or choose another --data"
        )
        return failed("disk", said)
    return passed("disk", f"{free // MEGABYTE:,} MB are free at {where}")


def unknown_settings(environment: Mapping[str, str]) -> Finding:
    """Whether each variable with the prefix of a service is a setting: one that nothing reads changes nothing."""
    known = {variable for service in SERVICES for variable in variables_of(service)}
    prefixes = tuple(service.variable("") for service in SERVICES)
    unknown = sorted(
        name
        for name in environment
        if name.startswith(prefixes) and not name.startswith(ENDPOINT_PREFIX) and name not in known
    )
    if not unknown:
        return passed("names of settings", "all known")
    return failed(
        "names of settings", "; ".join(f"{name} is not a setting{_nearest(name, known)}" for name in unknown)
    )


def _nearest(name: str, known: Collection[str]) -> str:
    longer = (each for each in sorted(known) if each.startswith(f"{name}_"))
    near = [*longer, *get_close_matches(name, known, n=1, cutoff=0.85)]
    return f": use {near[0]}" if near else ", and changes nothing: see documentation/reference/settings.md"


def settings(service: InstalledService, environment: Mapping[str, str]) -> Finding:
    """Whether the settings of a service in the environment are valid; not checked where it has no database."""
    what = f"settings of {service.title}"
    if not environment.get(service.variable("database_url")):
        return not_checked(what, f"{service.variable('database_url')} is not set: it does not run on its own")
    try:
        service.settings()  # type: ignore[call-arg]  # the environment supplies what has no default
    except ValidationError as error:
        return failed(what, "; ".join(setting_problems(service.settings, error)))
    except SettingsError as error:
        return failed(what, f"{error}: it must be valid JSON")
    return passed(what, "all valid")
