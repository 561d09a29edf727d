"""What `opro problems`, `proposers` and `models` print: a short list, or one of them with its settings."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from inspect import cleandoc
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from rich.console import Console
from rich.text import Text

from evaluators import PROBLEMS
from opro import extras
from opro.errors import unknown
from opro.proposers import PROPOSERS
from opro.registry import entries, find
from opro.screen import Sheet, clipped, prose, screen
from scorer_models import MODELS

EXAMPLES: Mapping[str, str] = {
    "backward-rule": "opro run backward-rule --proposer random --steps 20",
    "icl": "opro probe sst2 --model SPEC",
    "icl-flipped": "opro run icl-flipped --set task=sst2 --set goal=resist --scorer SPEC",
    "instructions": "opro run instructions --set task=gsm8k --model SPEC --scorer SPEC",
    "linear-regression": "opro run linear-regression --set w=3 --set b=5",
    "tsp": "opro run tsp --set n=10 --steps 30",
    "update-rule": "opro run update-rule --proposer evolution --steps 40 --per-step 25",
    "controller": "opro run update-rule --proposer controller --steps 40 --per-step 25",
    "evolution": "opro run tsp --proposer evolution",
    "list": "opro probe sst2 linear --model SPEC",
    "none": 'opro eval bbh/navigate --instruction "" --instruction "Let\'s think step by step."',
    "opro": "opro run tsp --proposer opro --model SPEC",
    "random": "opro run tsp --proposer random",
    "surrogate": "opro run linear-regression --proposer surrogate",
    "local": "opro run tsp --model local:Qwen/Qwen2.5-0.5B-Instruct",
    "openai": "opro run tsp --model openai:NAME@http://127.0.0.1:8000/v1",
    "scripted": "opro run tsp --model scripted:replies.txt",
    "uniform": "opro run tsp --model uniform",
    "vllm": "opro run tsp --model vllm:Qwen/Qwen2.5-7B-Instruct --model-set dtype=bfloat16",
}


@dataclass(frozen=True, slots=True)
class Shelf:
    """One table of things: what one of them is called, the table, and the option that takes their settings."""

    kind: str
    table: Mapping[str, str]
    option: str


SHELVES = {
    "problems": Shelf("problem", PROBLEMS, "--set"),
    "proposers": Shelf("proposer", PROPOSERS, "--option"),
    "models": Shelf("model", MODELS, "--model-set"),
}


def show_all(name: str) -> None:
    """Print a line for each thing on a shelf; none of them is imported."""
    shelf, console = SHELVES[name], screen()
    table = Sheet(shelf.kind, prose("what it is"), box=None)
    for each, entry in sorted(entries(shelf.kind, shelf.table).items()):
        table.add_row(each, summary(entry))
    console.print(table)
    if name == "models":
        _show_weights(console)
    console.print(f"opro {name} NAME shows the settings of one.", style="dim", highlight=False)


def show_one(shelf_name: str, name: str) -> None:
    """Print one thing: what it is, its settings, and a command that uses it.

    Raises:
        ConfigError: there is none of this name, or what it needs is not installed.
    """
    shelf, console = SHELVES[shelf_name], screen()
    known = entries(shelf.kind, shelf.table)
    if name not in known:
        raise unknown(shelf.kind, name, known)
    made = find(shelf.kind, name, shelf.table)
    head, _, rest = cleandoc(made.__doc__ or "").partition("\n")
    console.print(Text(f"{name}: {head}", style="bold"))
    if rest.strip():
        console.print(Text(rest.strip("\n")))
    fields: Mapping[str, Any] = made.Config.model_fields if hasattr(made, "Config") else {}
    if fields:
        settings = Sheet(f"{shelf.option} NAME=", clipped("default"), prose("what it is"))
        for field, info in fields.items():
            settings.add_row(field, "needed" if info.is_required() else str(info.default), _about(info))
        console.print(settings)
    else:
        console.print("It has no settings.")
    if name in EXAMPLES:
        console.print(f"For example: {EXAMPLES[name]}", markup=False, highlight=False)


def _about(info: Any) -> str:
    """Say what a setting is, and between what it chooses."""
    choice = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
    options = f"one of {', '.join(map(str, choice))}" if choice else ""
    return "; ".join(filter(None, (info.description, options)))


def summary(entry: str) -> str:
    """Return the first line of the docstring of `module:Class`, and the command for an extra that it lacks.

    It is read from the source, for importing it may take seconds.
    """
    place, _, extra = entry.partition(" [")
    module, _, name = place.rpartition(":")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return "not installed"
    extra = extra.removesuffix("]")
    lacking = f" ({extras.installer(extra)} brings it)" if extra in extras.EXTRAS and extras.lacks(extra) else ""
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0] + lacking
    return ""


def _show_weights(console: Console) -> None:
    """List the weights that are fetched by name, with what is in the cache."""
    from scorer_models.weights import known_models

    table = Sheet("model", "weights", prose("what it is"), "MB", "licence", "in the cache")
    for known in known_models():
        cached = "yes" if known.cached else "no"
        table.add_row(known.spec, known.name, known.about, str(known.megabytes), known.licence, cached)
    console.print(table)
