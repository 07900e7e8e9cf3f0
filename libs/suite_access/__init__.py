"""How a program of the suite gets the token that it shows the services, without a thought of its user.

``CallerToken`` looks, in this order: the environment (``CJ_ADMIN_TOKEN``), the access file of an embedded stack that
serves the address, and the session of a login, where the program has one.
Where there is none, requests go without a token.
"""

from suite_access.addresses import origin
from suite_access.caller_token import TOKEN_VARIABLE, CallerToken, FoundToken, Source
from suite_access.issuers import IdentityService, Issuer, OpenIdProvider
from suite_access.sessions import CACHE_VARIABLE, Session, SessionCache
from suite_access.stack_access import (
    ACCESS_FILE,
    StackAccess,
    StackKeys,
    find_stack_access,
    published_access,
)
from suite_access.tokens import IssuerUnavailable, LoginRefused, Tokens

__all__ = [
    "ACCESS_FILE",
    "CACHE_VARIABLE",
    "TOKEN_VARIABLE",
    "CallerToken",
    "FoundToken",
    "IdentityService",
    "Issuer",
    "IssuerUnavailable",
    "LoginRefused",
    "OpenIdProvider",
    "Session",
    "SessionCache",
    "Source",
    "StackAccess",
    "StackKeys",
    "Tokens",
    "find_stack_access",
    "origin",
    "published_access",
]
