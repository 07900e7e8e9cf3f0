"""What a run needs on this machine: a folder that can be written, and the caller's token."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import jwt
from command_line.finding import Finding, failed, passed
from event_contracts import InvalidRequest

from batch_runner.planning.checking import writable_folder

ENOUGH_MINUTES: Final = 10
"""A token that ends sooner may end before the results are fetched."""


def folder(out: Path) -> Finding:
    """Whether the runs' folder can be written; one that is not there is made and removed again."""
    try:
        with writable_folder(out):
            return passed("folder", f"{out} can be written")
    except InvalidRequest as error:
        return failed("folder", error.message)


def token(found: str | None) -> Finding:
    """Whether there is a token, and how long it lasts; its signature is the service's to check."""
    what = "token"
    if found is None:
        return failed(what, "there is none: log in with cj-admin login, or set CJ_ADMIN_TOKEN")
    try:
        claims: Mapping[str, object] = jwt.decode(found, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        return failed(what, f"it cannot be read ({error}): log in again")
    expires = claims.get("exp")
    if not isinstance(expires, int | float):
        return failed(what, "it does not say when it expires, and no service accepts it: log in again")
    minutes = (expires - datetime.now(UTC).timestamp()) / 60
    if minutes <= 0:
        return failed(what, "it has expired: log in again")
    if minutes < ENOUGH_MINUTES and "CJ_ADMIN_TOKEN" in os.environ:
        return failed(what, f"it expires in {minutes:.0f} min: get a fresh one before a longer run")
    return passed(what, f"valid for {minutes:.0f} min, roles {_roles(claims)}")


def _roles(claims: Mapping[str, object]) -> str:
    roles = claims.get("roles")
    return ", ".join(map(str, roles)) if isinstance(roles, list) and roles else "none"
