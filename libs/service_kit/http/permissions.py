"""Who may do what: roles, permissions, and the mark that every route carries."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeVar

from event_contracts import ConfigurationError
from quart import Quart, g

View = TypeVar("View", bound=Callable[..., Awaitable[Any]])

_MARK: Final = "service_kit_access"
_OF_THE_LIBRARIES: Final = frozenset({"static", "openapi"})


class Permission(StrEnum):
    """What a caller may be allowed to do."""

    READ = "read"
    """See batches, results, comparisons, texts and costs."""
    ASSESS = "assess"
    """Send texts and anchors, start batches and cancel them."""
    JUDGE = "judge"
    """Send comparisons to the judges and take them back."""
    FORGET = "forget"
    """Have what a service holds of another one's batch deleted or told."""
    PLAN = "plan"
    """Define pipelines and report phases."""
    OPERATE = "operate"
    """Cancel batches, pause providers, replay what was set aside."""
    ADMINISTER = "administer"
    """Change instructions, prompts, rubrics and anchors; forget and export; read the audit."""


class Role(StrEnum):
    """Roles that a token may name; other roles in it permit nothing here."""

    ADMIN = "admin"
    OPERATOR = "operator"
    RUNNER = "runner"
    READER = "reader"
    SERVICE = "service"
    ASSESSMENT_SERVICE = "assessment_service"
    """CJ Assessment, whose batches the LLM Provider judges."""


PERMISSIONS: Final[Mapping[str, frozenset[Permission]]] = MappingProxyType(
    {
        Role.ADMIN: frozenset(Permission),
        Role.OPERATOR: frozenset({Permission.READ, Permission.OPERATE}),
        Role.RUNNER: frozenset({Permission.READ, Permission.ASSESS}),
        Role.READER: frozenset({Permission.READ}),
        Role.SERVICE: frozenset({Permission.READ, Permission.ASSESS, Permission.JUDGE, Permission.PLAN}),
        Role.ASSESSMENT_SERVICE: frozenset({Permission.READ, Permission.JUDGE, Permission.FORGET}),
    }
)


def permissions_of(roles: Iterable[str]) -> frozenset[Permission]:
    """Everything that the roles permit together."""
    return frozenset().union(*(PERMISSIONS.get(role, frozenset()) for role in roles))


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, from a token that was believed."""

    subject: str
    organisation: str | None
    issuer: str
    roles: tuple[str, ...]

    @property
    def permissions(self) -> frozenset[Permission]:
        """What the caller may do."""
        return permissions_of(self.roles)


@dataclass(frozen=True, slots=True)
class Access:
    """What a route needs: one of ``any_of``; or nothing, for ``open_because``."""

    any_of: frozenset[Permission] = frozenset()
    open_because: str = ""


def requires(*any_of: Permission) -> Callable[[View], View]:
    """Let a route answer only callers who have one of these permissions; stands right above the function."""

    def mark(view: View) -> View:
        setattr(view, _MARK, Access(any_of=frozenset(any_of)))
        return view

    return mark


def open_to_all(reason: str) -> Callable[[View], View]:
    """Let a route answer anybody; ``reason`` says why that is safe."""

    def mark(view: View) -> View:
        setattr(view, _MARK, Access(open_because=reason))
        return view

    return mark


def access_of(view: object) -> Access:
    """What a marked route needs; ``AttributeError`` for one that does not say."""
    access: Access = getattr(view, _MARK)
    return access


def roles_that_may(access: Access) -> list[str]:
    """The roles that permit what a route needs, in the order of their declaration."""
    return [str(role) for role, permitted in PERMISSIONS.items() if access.any_of & permitted]


def caller() -> Caller:
    """Who sent the request being answered."""
    found: Caller = g.caller
    return found


def access_table(app: Quart) -> Mapping[str, Access]:
    """What each endpoint of an application needs; raises ``ConfigurationError`` naming those that do not say."""
    table: dict[str, Access] = {}
    unmarked: list[str] = []
    for endpoint, view in app.view_functions.items():
        access = getattr(view, _MARK, None)
        if isinstance(access, Access):
            table[endpoint] = access
        elif endpoint in _OF_THE_LIBRARIES:
            table[endpoint] = Access(open_because="exposes no batch data")
        else:
            unmarked.append(endpoint)
    if unmarked:
        raise ConfigurationError(
            f"routes without @requires(...) or @open_to_all(...): {', '.join(sorted(unmarked))}"
        )
    return MappingProxyType(table)
