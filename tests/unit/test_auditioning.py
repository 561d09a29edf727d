"""Whether a model will do as an optimizer, with planted models that follow scores, ignore them, or write nonsense."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from opro.auditioning import TARGETS, advice, audition_configs, auditioned
from opro.reader import Reader
from opro.types import Request, Style
from opro.workbench import Workbench
from scorer_models.scripted import ScriptedModel


def climbs(request: Request) -> Sequence[str]:
    """Propose the neighbours of the pair that is shown as the best."""
    shown = re.findall(r"w=(-?\d+), b=(-?\d+)", str(request.prompt))
    w, b = map(int, shown[-1]) if shown else (15, 15)
    return [f"{w + i}, b={b + j}" for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j][: request.n]


async def heard(model: ScriptedModel, style: Style, store: str) -> tuple[Reader, list[str]]:
    workbench = Workbench(store)
    runs = [
        await workbench.run(config, model=model)
        for control in ("none", "flipped-scores")
        for config in audition_configs("scripted:x", style, control, {})
    ]
    return workbench.reader, runs


async def test_a_model_that_follows_its_context_is_recommended_and_reversed_scores_stop_it(store: str) -> None:
    model = ScriptedModel(climbs)
    made = auditioned(*await _with_style(model, store))
    assert made.solved == 2  # the two targets near the start; a step is one pair long
    assert made.follows
    assert made.counted.parsed == made.counted.samples > 0
    said = " ".join(advice("planted", [made]))
    assert "style=continuation" in said
    assert "follows the scores" in said
    assert json.dumps(made.as_dict())


async def _with_style(model: ScriptedModel, store: str) -> tuple[Reader, Style, list[str]]:
    reader, runs = await heard(model, Style.CONTINUATION, store)
    return reader, Style.CONTINUATION, runs


async def test_a_model_that_writes_nonsense_is_not_recommended(store: str) -> None:
    made = auditioned(*await _with_style(ScriptedModel(["none at all"]), store))
    assert made.solved == 0
    assert made.counted.parsed == 0
    assert advice("planted", [made]) == [
        f"planted found none of {len(TARGETS)} small targets in either style: take another model."
    ]


async def test_repeats_are_counted(store: str) -> None:
    made = auditioned(*await _with_style(ScriptedModel(["12, b=12"]), store))
    assert made.counted.repeats > 0.5 * made.counted.samples


def test_it_stands_alone(tmp_path: Path) -> None:
    from opro.cli_probe import probe
    from opro.errors import ConfigError

    with pytest.raises(ConfigError, match="stands alone"):
        probe(["optimizer", "sst2"], store=str(tmp_path / "x.db"))


async def test_a_model_that_was_never_asked_is_not_condemned(store: str) -> None:
    workbench = Workbench(store)
    (config, *_) = audition_configs("scripted:x", Style.CHAT, "none", {"budget": ["1tok"]})
    run = await workbench.run(config, model=ScriptedModel(["none"], style=Style.CHAT))
    made = auditioned(workbench.reader, Style.CHAT, [run])
    assert made.cut == 1
    assert advice("planted", [made]) == ["Nothing was asked within the budget, so nothing can be said."]
