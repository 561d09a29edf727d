"""From a trajectory to the text that the optimizer model reads. Templates are files that anyone may edit."""

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from opro.errors import ConfigError, ContextError
from opro.types import Brief, Direction, Style

CHARACTERS = 4
"""Of a token in a meta-prompt, about: only to guess how much must be left out of a prompt that is too long."""

_LONGEST = 120  # letters of a failed solution
_OPTIONAL = ("past", "failure")
_FILLED = ("items", "failures", "past", "solution", "score", "note")


@dataclass(frozen=True, slots=True)
class Shown:
    """A past solution as a meta-prompt shows it: with its score, and a note; without a score, why it has none."""

    solution: str
    score: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class MetaPrompt:
    """A template: `item` writes one past solution, `past` what stands around them, left out while there are none.

    `failure` writes one solution that has no score.

    `prompt` is the whole, with all `items`, or the `past`, in it; `settings` are what it works best with.

    `source` is the TOML text that it was read from.
    """

    item: Template
    failure: Template
    past: Template
    prompt: Template
    settings: Mapping[str, Any]
    source: str
    name: str

    def render(
        self,
        brief: Brief,
        direction: Direction,
        shown: Iterable[Shown],
        *,
        goal: str = "",
        lead: str = "",
        exemplars: Iterable[str] = (),
    ) -> str:
        """Return the meta-prompt with past solutions in the given order, usually worst to best, and exemplars.

        A continuation ends in the score that is asked for, `goal`, and the beginning of the answer, `lead`.

        Raises:
            ConfigError: the template has a placeholder that is not known, or a lone dollar sign.
        """
        falling = direction is Direction.MINIMIZE
        words = {
            "task": brief.task,
            "facts": brief.facts,
            "noun": brief.noun,
            "score_name": brief.score,
            "answer": brief.answer,
            "lead": lead,
            "goal": goal,
            "exemplars": "".join(f"{exemplar}\n\n" for exemplar in exemplars),
            "order": "descending" if falling else "ascending",
            "better": "lower" if falling else "higher",
        }
        try:
            items, failures = self._lists(words, shown)
            past = self.past.substitute(words, items=items, failures=failures) if items else ""
            return self.prompt.substitute(words, items=items, failures=failures, past=past)
        except (KeyError, ValueError) as error:
            known = ", ".join(f"${word}" for word in [*words, *_FILLED])
            raise ConfigError(f"{self.name}: placeholder {error}; known are {known}; write $$ for a dollar") from error

    def _lists(self, words: Mapping[str, str], shown: Iterable[Shown]) -> tuple[str, str]:
        """Return the solutions that have scores, and those that have none, written one after the other."""
        written: tuple[list[str], list[str]] = [], []
        for one in shown:
            template = self.item if one.score else self.failure
            text = template.substitute(words, solution=one.solution, score=one.score, note=one.note)
            written[not one.score].append(text)
        return "".join(written[0]), "".join(written[1])


def read_template(text: str, name: str) -> MetaPrompt:
    """Return the template in a TOML text: `item`, `prompt`, and perhaps `past`, `failure` and a table `settings`."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is not TOML: {error}") from error
    settings = table.pop("settings", {})
    if set(table) | set(_OPTIONAL) != {"item", "prompt", *_OPTIONAL} or not all(
        isinstance(value, str) for value in table.values()
    ):
        raise ConfigError(
            f"{name} needs two texts, `item` and `prompt` (and may have `past` and `failure`), not {', '.join(table)}"
        )
    texts = {key: Template(table.get(key, "")) for key in ("item", "prompt", *_OPTIONAL)}
    return MetaPrompt(**texts, settings=settings, source=text, name=name)


def load_template(problem: str, style: Style, path: str = "") -> MetaPrompt:
    """Return the template in the file `path` (or its text), or the one shipped for this problem and style."""
    if "\n" in path:
        return read_template(path, "the template")
    if path:
        try:
            return read_template(Path(path).read_text(encoding="utf-8"), path)
        except OSError as error:
            raise ConfigError(f"cannot read the template {path}: {error.strerror}") from error
    shipped = files("prompts")
    name = f"{problem}.{style}.toml"
    if not shipped.joinpath(name).is_file():
        name = f"default.{style}.toml"
    return read_template(shipped.joinpath(name).read_text(encoding="utf-8"), name)


def flipped(shown: Sequence[Shown]) -> list[Shown]:
    """Return the control: the same solutions and the same scores, the best solution with the worst score and so on.

    The list stays in the order of its scores, so the best solution now stands first.
    """
    solutions = reversed([past.solution for past in shown])
    return [Shown(solution, past.score, past.note) for solution, past in zip(solutions, shown, strict=True)]


def one_line(text: str) -> str:
    """Return the end of a text, where the solution should be, on one short line."""
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST else f"...{words[-_LONGEST:]}"


def shortened(shown: Sequence[Shown], error: ContextError) -> list[Shown]:
    """Return the last, best ones of the solutions that a too long prompt showed; half of them, or fewer if need be.

    Raises:
        ContextError: there is nothing left to leave out.
    """
    if not shown:
        much = f"{error.excess} tokens" if error.excess is not None else "some tokens"
        raise ContextError(
            f"the meta-prompt does not fit into the model's window even with no solution shown: {much} too many. "
            f"Take a model with a larger window, or a shorter template. ({error})",
            excess=error.excess,
        )
    keep = len(shown) // 2
    if error.excess is not None:
        longest = max(len(past.solution) + len(past.score) for past in shown)
        spared = math.ceil(error.excess / max(1, longest // CHARACTERS))
        keep = max(keep, len(shown) - spared)
    return list(shown[len(shown) - min(keep, len(shown) - 1) :])
