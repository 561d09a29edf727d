"""What hosted models cost: the user's own table first, then the list that genai-prices keeps."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from opro.errors import ConfigError
from opro.registry import configure
from opro.types import Usage

VARIABLE = "OPRO_PRICES"
"""The environment variable that names the user's table."""


class Rates(BaseModel):
    """US dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0, description="tokens of the prompt")
    output: float = Field(ge=0, description="tokens that the model writes")
    cached: float | None = Field(
        None, ge=0, description="tokens of the prompt from the server's cache; as input if not given"
    )

    def usd(self, usage: Usage) -> float:
        """Return what `usage` costs."""
        cached = self.input if self.cached is None else self.cached
        fresh = usage.prompt - usage.cached
        return (fresh * self.input + usage.cached * cached + usage.completion * self.output) / 1e6


FREE = Rates(input=0, output=0, cached=0)


@dataclass(frozen=True, slots=True)
class Listed:
    """A model in the list of genai-prices, which knows tiers and dated names."""

    model: str
    url: str

    def usd(self, usage: Usage) -> float:
        """Return what `usage` costs today."""
        return float(_listed(self.model, self.url, usage) or 0)


Price = Rates | Listed


def price_of(model: str, host: str, own: Mapping[str, Rates]) -> Price | None:
    """Return the price of a model at a host, None where none is known; an own server is free unless `own` says else."""
    for name in (f"{model}@{host}", model):
        if name in own:
            return own[name]
    if _is_own(host):
        return FREE
    url = f"https://{host}"
    return Listed(model, url) if _listed(model, url, Usage()) is not None else None


def read_prices(path: str = "") -> dict[str, Rates]:
    """Return the tables `["MODEL"]` or `["MODEL@HOST"]` of a TOML file: `path`, else the one that $OPRO_PRICES names.

    Raises:
        ConfigError: the file cannot be read, or a table is no price.
    """
    path = path or os.environ.get(VARIABLE, "")
    if not path:
        return {}
    try:
        tables = tomllib.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the prices {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the prices {path} are not TOML: {error}") from error
    wrong = [name for name, table in tables.items() if not isinstance(table, dict)]
    if wrong:
        raise ConfigError(
            f"the prices {path}: {wrong[0]!r} is no table; write [{wrong[0]!r}] over input, output, cached"
        )
    return {name: configure(Rates, table, f"price of {name}") for name, table in tables.items()}


def _is_own(host: str) -> bool:
    """Say whether a host is this machine or in its own network."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan"))


def _listed(model: str, url: str, usage: Usage) -> Decimal | None:
    from genai_prices import Usage as Tokens  # a quarter of a second that only hosted models need
    from genai_prices import calc_price

    tokens = Tokens(input_tokens=usage.prompt, output_tokens=usage.completion, cache_read_tokens=usage.cached)
    try:
        return calc_price(tokens, model, provider_api_url=url).total_price
    except LookupError:
        return None
