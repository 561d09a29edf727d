"""What a run may cost."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from opro.errors import ConfigError

_AMOUNT = re.compile(r"\s*(?P<number>[0-9.,_]+(?:e\+?[0-9]+)?)\s*(?P<unit>[a-z$]+)\s*", re.IGNORECASE)
_UNITS = {
    "usd": ("usd", 1.0),
    "$": ("usd", 1.0),
    "tok": ("tokens", 1.0),
    "tokens": ("tokens", 1.0),
    "ktok": ("tokens", 1e3),
    "mtok": ("tokens", 1e6),
    "s": ("seconds", 1.0),
    "sec": ("seconds", 1.0),
    "min": ("seconds", 60.0),
    "h": ("seconds", 3600.0),
}


@dataclass(frozen=True, slots=True)
class Budget:
    """Caps on what a run may cost over all its sessions, optimizer and scorer together; None is no cap."""

    usd: float | None = None
    tokens: float | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Self:
        """Return the budget of texts such as "2.50usd", "1e6tok", "30min".

        Raises:
            ConfigError: a text is no amount, or a unit is capped twice.
        """
        caps: dict[str, float] = {}
        for text in texts:
            name, amount = _amount(text)
            if name in caps:
                raise ConfigError(f"budget {text!r}: there is a cap on {name} already")
            caps[name] = amount
        return cls(**caps)

    @staticmethod
    def merged(old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
        """Return the new amounts, and those of the old ones that cap something else."""
        capped = {_amount(text)[0] for text in new}
        return (*new, *(text for text in old if _amount(text)[0] not in capped))

    def __str__(self) -> str:
        """Return the caps in words."""
        caps = (("usd", self.usd), ("tokens", self.tokens), ("seconds", self.seconds))
        return ", ".join(f"{amount:,.10g} {name}" for name, amount in caps if amount is not None) or "none"


def _amount(text: str) -> tuple[str, float]:
    found = _AMOUNT.fullmatch(text)
    unit = _UNITS.get(found["unit"].lower()) if found else None
    try:
        number = float(found["number"].replace("_", "")) if found else math.nan
    except ValueError:
        number = math.nan
    if unit is None or not 0 < number * unit[1] < math.inf:
        raise ConfigError(
            f"budget {text!r}: a positive amount with its unit is needed, such as 2.50usd, 1e6tok or 30min"
        )
    return unit[0], number * unit[1]
