"""Where the texts of a batch may be sent: what the batch, its organisation and the installation allow together."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from event_contracts import InvalidRequest

from cj_assessment.domain.batch import Judge

CheckRegion = Callable[[str, Collection[str] | None], None]
"""Raises ``InvalidRequest`` where a provider's endpoint is outside these regions."""


def _anywhere(_provider: str, _allowed: Collection[str] | None) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Residency:
    """The regions that the installation and organisations allow; None, and an organisation not named, allow all."""

    installation: frozenset[str] | None = None
    organisations: Mapping[str, frozenset[str]] = field(default_factory=dict)
    check_region: CheckRegion = _anywhere

    def allowed(self, asked: Collection[str] | None, *, org_id: str | None) -> tuple[str, ...] | None:
        """What all three allow, None for everywhere; raises ``InvalidRequest`` where they have nothing in common."""
        levels = {
            "the batch": None if asked is None else frozenset(asked),
            "its organisation": None if org_id is None else self.organisations.get(org_id),
            "the installation": self.installation,
        }
        named = {name: regions for name, regions in levels.items() if regions is not None}
        if not named:
            return None
        common = frozenset.intersection(*named.values())
        if not common:
            said = "; ".join(f"{name}: {', '.join(sorted(regions))}" for name, regions in named.items())
            raise InvalidRequest(f"no region is allowed by all ({said}): ask for one that is")
        return tuple(sorted(common))

    def check(self, judges: Sequence[Judge], allowed: Collection[str] | None) -> None:
        """Raise ``InvalidRequest`` for a judge whose endpoint is elsewhere."""
        for judge in judges:
            self.check_region(judge.provider, allowed)
