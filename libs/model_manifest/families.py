"""Families of models: which new models of a vendor should be reviewed, and which are not text judges."""

import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from model_manifest.provider_name import ProviderName

Version = tuple[int, ...]

Standing = Literal["tracked", "untracked", "unknown"]


def _compiled(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    return pattern


class Family(BaseModel):
    """Models of one line that replace each other; ``pattern`` matches a whole id and names its ``version``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: ProviderName
    name: str
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _names_a_version(cls, pattern: str) -> str:
        if "version" not in re.compile(_compiled(pattern)).groupindex:
            raise ValueError(f"{pattern!r} has no group called version")
        return pattern

    def version_of(self, model_id: str) -> Version | None:
        """The numbers of an id's version, to compare with another's; None for an id of another family."""
        found = re.fullmatch(self.pattern, model_id)
        return (
            None if found is None else tuple(int(number) for number in re.findall(r"\d+", found["version"]))
        )


class Untracked(BaseModel):
    """Ids of a provider that no judge comes from, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: ProviderName
    reason: str
    patterns: tuple[str, ...] = Field(min_length=1)

    @field_validator("patterns")
    @classmethod
    def _are_expressions(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_compiled(pattern) for pattern in patterns)

    def holds(self, model_id: str) -> bool:
        """True where one of the patterns matches the whole id."""
        return any(re.fullmatch(pattern, model_id) for pattern in self.patterns)


class Families(BaseModel):
    """Every family that is tracked, and what is left out on purpose; a tracked family is asked first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tracked: tuple[Family, ...] = ()
    untracked: tuple[Untracked, ...] = ()

    def of(self, provider: ProviderName) -> Self:
        """Those of one provider."""
        return self.model_copy(
            update={
                "tracked": tuple(family for family in self.tracked if family.provider == provider),
                "untracked": tuple(group for group in self.untracked if group.provider == provider),
            }
        )

    def family_of(self, model_id: str) -> Family | None:
        """The tracked family that an id belongs to."""
        return next((family for family in self.tracked if family.version_of(model_id) is not None), None)

    def standing_of(self, model_id: str) -> Standing:
        """Whether an id is of a tracked family, left out on purpose, or nothing that anybody has looked at."""
        if self.family_of(model_id) is not None:
            return "tracked"
        return "untracked" if any(group.holds(model_id) for group in self.untracked) else "unknown"
