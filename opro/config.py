"""What a run is told: a frozen model whose fields are the keys of a TOML file."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from opro.errors import ConfigError
from opro.registry import configure


class RunConfig(BaseModel):
    """One run. `set` goes to the problem, `options` to the proposer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problem: str = Field(description="a problem's name, or module:Class or file.py:Class of your own")
    set: Mapping[str, Any] = Field(default_factory=dict[str, Any], description="the problem's settings")
    proposer: str = Field("opro", description="where candidates come from")
    options: Mapping[str, Any] = Field(default_factory=dict[str, Any], description="the proposer's settings")
    model: str = Field("local", description="the optimizer model, KIND:NAME")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="all randomness of a run derives from it")
    steps: int = Field(50, ge=0, description="steps at most")
    per_step: int = Field(8, ge=1, description="candidates in a step")
    trials: int | None = Field(None, ge=1, description="trials at most, the starting solutions counted")
    patience: int | None = Field(None, ge=1, description="end after this many steps in a row without a better best")
    seconds: float | None = Field(None, gt=0, description="end after this many seconds of asking and scoring")
    silence: int = Field(5, ge=1, description="end after this many steps in a row with nothing new to try")
    stop_at_optimum: bool = Field(default=True, description="end when the known optimum is reached")
    baselines: Literal["auto", "always", "never"] = Field(
        "auto",
        description="give random search and the like the same allowance; auto: where scoring is free",
    )


def run_config(values: Mapping[str, Any]) -> RunConfig:
    """Return the config of a run; a wrong key or value is a ConfigError that names it."""
    if "problem" not in values:
        raise ConfigError('a run needs a problem: `problem = "tsp"`, say; `opro problems` lists them')
    return configure(RunConfig, values, "run")


def read_toml(path: Path) -> tuple[RunConfig, int | None]:
    """Return the config in a TOML file, and its number of `seeds` where it asks for several runs."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    seeds = table.pop("seeds", None)
    if seeds is not None and (not isinstance(seeds, int) or seeds < 1):
        raise ConfigError(f"{path}: seeds = {seeds!r}: a whole number of at least 1 is needed")
    return run_config(table), seeds
