"""Runs as contestants: those that differ in their seeds only are one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opro.errors import ConfigError
from opro.reader import Reader
from opro.records import RunRecord


def contestants_of(reader: Reader, names: Sequence[str], *, whole: bool | None = None) -> dict[str, list[RunRecord]]:
    """Return the named runs by contestant: all of a config but the seed.

    `whole` says that each stands for its study; without it, only the first run of a study does.

    Raises:
        ConfigError: they have not the same problem, or a contestant has two runs with one seed.
    """
    runs: dict[str, RunRecord] = {}
    for name in names:
        run = reader.run(name)
        wide = run.spec.study == run.id if whole is None else whole
        study = [other for other in reader.runs() if other.spec.study == run.spec.study] if wide else [run]
        runs.update({each.id: each for each in study})
    first = next(iter(runs.values())).spec
    for run in runs.values():
        if (run.spec.problem, _compared(run.spec.config)) != (first.problem, _compared(first.config)):
            raise ConfigError(f"{run.id} has another problem or other settings of it: its values cannot be compared")
    flats = [flat(run.spec.config) for run in runs.values()]
    differing = {key for one in flats for key in one if any(other.get(key) != one[key] for other in flats)} - {"seed"}
    contestants: dict[str, list[RunRecord]] = {}
    for run in runs.values():
        same = contestants.setdefault(label(run.spec.config, differing), [])
        if any(other.spec.seed == run.spec.seed for other in same):
            raise ConfigError(f"{run.id} is a second run with seed {run.spec.seed} of the same contestant: name one")
        same.append(run)
    return contestants


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the problem's settings in which runs must agree; of a list, each solution is compared for itself."""
    return {name: value for name, value in config["set"].items() if name != "settings"}


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's config with the proposer's options beside the other keys."""
    return {**{key: value for key, value in config.items() if key != "options"}, **config["options"]}


def label(config: Mapping[str, Any], keys: Iterable[str]) -> str:
    """Return the proposer with those of the settings that are to be told."""
    left_out = {"problem", "proposer", "seed", "template"}
    told = [f"{key}={value}" for key, value in flat(config).items() if key in keys and key not in left_out]
    return f"{config['proposer']} {' '.join(told)}".strip()
