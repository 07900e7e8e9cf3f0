"""Tokens for development: signed here, with a key on this machine, for a service that says it is in development.

The question is a guard against mistakes. Anyone who holds the key of a service can sign for it anyway.
"""

import os
from enum import StrEnum
from typing import Final

import jwt
from command_line.errors import WrongOption
from event_contracts import MIN_SECRET_BYTES, InvalidRequest
from suite_access import find_stack_access
from suite_access.development_claims import development_claims

from admin_cli.client import AdminClient

SECRET_VARIABLE: Final = "CJ_ADMIN_DEV_SECRET"


class DevelopmentRole(StrEnum):
    """What a token for development permits."""

    ADMIN = "admin"
    OPERATOR = "operator"
    RUNNER = "runner"
    READER = "reader"


def development_token(
    service: AdminClient, *, role: DevelopmentRole, subject: str, issuer: str, audience: str
) -> str:
    """A token of ten minutes. Raises ``InvalidRequest`` for a service that is not in development, ``WrongOption`` where
    there is no key for it.
    """
    if not service.is_in_development():
        raise InvalidRequest(
            f"{service.base_url} does not say that it is in development (its setting DEVELOPMENT): use cj-admin login"
        )
    access = find_stack_access(service.base_url)
    if access is not None:
        return access.token(role=role.value, subject=subject)
    secret = os.environ.get(SECRET_VARIABLE, "")
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise WrongOption(
            f"no key of {service.base_url} is on this machine: put its JWT_SECRET"
            f" ({MIN_SECRET_BYTES} bytes at least) into {SECRET_VARIABLE}"
        )
    claims = development_claims(role=role.value, subject=subject, issuer=issuer, audience=audience)
    return jwt.encode(claims, secret, algorithm="HS256")
