"""What a run is told: a frozen model whose fields are the keys of a TOML file."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import tomli_w
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from opro.budget import Budget
from opro.errors import ConfigError
from opro.passwords import is_secret, masked
from opro.registry import configure


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _amounts(texts: tuple[str, ...]) -> tuple[str, ...]:
    Budget.parse(texts)
    return texts


Amounts = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_amounts)]


LARGEST_SEED = 2**31 - 1

MOST_SEEDS = 10_000
"""Runs that one command makes at most."""


class RunConfig(BaseModel):
    """One run. `set` goes to the problem, `options` to the proposer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problem: str = Field(description="a problem's name, or module:Class or file.py:Class of your own")
    set: Mapping[str, Any] = Field(default_factory=dict[str, Any], description="the problem's settings")
    proposer: str = Field("opro", description="where candidates come from")
    options: Mapping[str, Any] = Field(default_factory=dict[str, Any], description="the proposer's settings")
    model: str = Field("local", description="the optimizer model, KIND:NAME")
    model_set: Mapping[str, Any] = Field(default_factory=dict[str, Any], description="the optimizer model's settings")
    scorer: str = Field(
        "", description="the scorer model of problems that need one, KIND:NAME; empty: the optimizer model"
    )
    scorer_set: Mapping[str, Any] = Field(default_factory=dict[str, Any], description="the scorer model's settings")
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="all randomness of a run derives from it")
    steps: int = Field(50, ge=0, description="steps at most")
    per_step: int = Field(8, ge=1, le=10_000, description="candidates in a step")
    trials: int | None = Field(None, ge=1, description="trials at most, the starting solutions counted")
    patience: int | None = Field(None, ge=1, description="end after this many steps in a row without a better best")
    seconds: float | None = Field(None, gt=0, description="end after this many seconds of asking and scoring")
    silence: int = Field(5, ge=1, description="end after this many steps in a row with nothing new to try")
    budget: Amounts = Field((), description="caps on what the run may cost, such as 2.50usd, 1e6tok or 30min")
    prices: str = Field("", description="a TOML file with prices of models; default: $OPRO_PRICES")
    concurrency: int | None = Field(
        None, ge=1, description="requests to a server in flight at most; default: it adapts"
    )
    requests_per_minute: float | None = Field(None, gt=0, description="requests to a server in a minute at most")
    tokens_per_minute: float | None = Field(None, gt=0, description="tokens asked of a server in a minute at most")
    timeout: float = Field(300.0, gt=0, description="seconds that one try of a request to a server may take")
    deadline: float = Field(900.0, gt=0, description="seconds after which a request to a server is not tried again")
    stop_at_optimum: bool = Field(default=True, description="end when the known optimum is reached")
    baselines: Literal["auto", "always", "never"] = Field(
        "auto",
        description="give random search and the like the same allowance; auto: where scoring is free",
    )

    @field_validator("prices")
    @classmethod
    def _absolute(cls, path: str) -> str:
        """Keep where the file is, for a run may be resumed from elsewhere."""
        return str(Path(path).expanduser().absolute()) if path else ""

    @field_validator("model", "scorer")
    @classmethod
    def _without_password(cls, spec: str) -> str:
        """Refuse what may hold a password, for it would be recorded; a ValueError would be shown with the value."""
        if is_secret(spec):
            raise ConfigError(
                f"the address of the model {masked(spec)!r} holds a user or password, which would be recorded: "
                "put the whole address into $OPENAI_BASE_URL, and name the model without it, as openai:NAME"
            )
        return spec

    @field_validator("set")
    @classmethod
    def _settings_without_password(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse an address with a password among the problem's settings."""
        for name, value in values.items():
            if isinstance(value, str) and "://" in value and is_secret(value):
                raise ConfigError(f"{name} = {masked(value)!r} holds a password, which would be recorded: leave it out")
        return values

    @property
    def caps(self) -> Budget:
        """The budget, read."""
        return Budget.parse(self.budget)


def run_config(values: Mapping[str, Any]) -> RunConfig:
    """Return the config of a run; a wrong key or value is a ConfigError that names it."""
    if "problem" not in values:
        raise ConfigError('a run needs a problem: `problem = "tsp"`, say; `opro problems` lists them')
    try:
        json.dumps(values, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"this is not UTF-8 at its end: {error.object[: error.end][-60:]!r}") from error
    return configure(RunConfig, values, "run")


def seeded(config: RunConfig, count: int) -> list[RunConfig]:
    """Return `count` configs with seeds from the config's on.

    Raises:
        ConfigError: the last seed is too large.
    """
    last = config.seed + count - 1
    if last > LARGEST_SEED:
        raise ConfigError(
            f"the last of {count} seeds from {config.seed} on is {last}: at most {LARGEST_SEED} is possible"
        )
    return [config.model_copy(update={"seed": seed}) for seed in range(config.seed, last + 1)]


def as_toml(config: RunConfig) -> str:
    """Return a config as the text of a TOML file, without what has its default value."""
    return tomli_w.dumps(_stated(config.model_dump(mode="json", exclude_defaults=True)))


def _stated(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values without those that are None, which TOML cannot say."""
    return {
        name: _stated(cast("Mapping[str, Any]", value)) if isinstance(value, dict) else value
        for name, value in values.items()
        if value is not None
    }


def read_toml(path: Path) -> tuple[RunConfig, int | None]:
    """Return the config in a TOML file, and its number of `seeds` where it asks for several runs."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    seeds = table.pop("seeds", None)
    if seeds is not None and (isinstance(seeds, bool) or not isinstance(seeds, int) or not 1 <= seeds <= MOST_SEEDS):
        raise ConfigError(f"{path}: seeds = {seeds!r}: a whole number from 1 to {MOST_SEEDS:,} is needed")
    return run_config(table), seeds
