"""The page's words and numbers in English and Swedish."""

import tomllib
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent
_MONTHS: Final = {
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
    "en": "January February March April May June July August September October November December",
}


class Language(StrEnum):
    """A language of the page."""

    ENGLISH = "en"
    SWEDISH = "sv"

    @classmethod
    def spoken_in(cls, tag: str | None) -> "Language":
        """Swedish for tags such as sv and sv-SE, English for all others."""
        return cls.SWEDISH if tag is not None and tag.lower().split("-")[0] == "sv" else cls.ENGLISH


@cache
def catalogue(language: Language) -> dict[str, str]:
    """Every text of the page by name."""
    return tomllib.loads((_FOLDER / f"texts_{language}.toml").read_text(encoding="utf-8"))


class Wording:
    """Texts with their values filled in, and numbers as the language writes them."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._texts = catalogue(language)
        self._is_swedish = language is Language.SWEDISH

    def __call__(self, name: str, /, **values: object) -> str:
        return self._texts[name].format(**values)

    def counted(self, name: str, count: int) -> str:
        """ "1 essay", "12 essays"."""
        return self(f"{name}_one" if count == 1 else name, n=self.number(count))

    def optional(self, name: str, otherwise: str) -> str:
        """The text of that name, or ``otherwise`` where there is none."""
        return self._texts.get(name, otherwise)

    def number(self, value: float | None, decimals: int = 0, *, sign: bool = False) -> str:
        """With the language's decimal sign, a real minus and thin spaces between thousands."""
        if value is None:
            return "–"
        is_signed = sign and round(value, decimals) != 0
        text = f"{value:{'+' if is_signed else 'z'},.{decimals}f}".replace("-", "−").replace(",", "\u202f")
        return text.replace(".", ",") if self._is_swedish else text

    def shortest(self, value: float | None) -> str:
        """A whole number as it is, any other with two decimals."""
        return self.number(value, 0 if value is not None and value == round(value) else 2)

    def percent(self, share: float) -> str:
        """A share; what is not quite certain is not called 100 %."""
        if 0.995 <= share < 1:
            return "> 99 %" if self._is_swedish else ">99%"
        if 0 < share < 0.005:
            return "< 1 %" if self._is_swedish else "<1%"
        return f"{share * 100:.0f}\u202f%" if self._is_swedish else f"{share * 100:.0f}%"

    def dollars(self, value: float) -> str:
        """US dollars, with four decimals below one, unless they are nothing."""
        amount = self.number(value, 2 if value >= 1 or value == 0 else 4)
        return f"{amount}\u00a0USD" if self._is_swedish else f"${amount}"

    def moment(self, value: datetime) -> str:
        """A date and time in UTC."""
        at = value.astimezone(UTC)
        month = _MONTHS[self.language].split()[at.month - 1]
        return f"{at.day} {month} {at.year}, {at:%H:%M} UTC"

    def clock(self, value: datetime | None) -> str:
        """The time on the clock in UTC."""
        return "–" if value is None else f"{value.astimezone(UTC):%H:%M:%S}"
