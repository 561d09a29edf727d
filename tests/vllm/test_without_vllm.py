"""What of the vLLM backend can be told without vLLM."""

import sys
from pathlib import Path

import pytest
import torch
import xgrammar.testing

from opro.constraints import Choice, Regex
from opro.errors import ConfigError, ModelError
from opro.registry import configure
from opro.types import Request, Style
from scorer_models import open_model
from scorer_models.vllm import VllmModel
from scorer_models.vllm_engine import grammar
from scorer_models.vllm_permutation import KEY, Walk

ITEMS = [[1], [2], [2, 3], [4, 5]]


def settled(**values: object) -> VllmModel.Config:
    """Return the settings of a model."""
    return configure(VllmModel.Config, values, "vllm model")


def allowed(walk: Walk, output: list[int]) -> set[int]:
    """Return the ids that a walk leaves after `output`."""
    logits = torch.arange(8, dtype=torch.float32)
    walk.restrict(logits, output)
    left = set(logits.isfinite().nonzero()[:, 0].tolist())
    assert all(logits[token] == token for token in left)
    return left


async def test_without_vllm_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    loaded = VllmModel.load(str(tmp_path))
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ConfigError, match=r"opro-workbench\[vllm\]"):
        open_model(f"vllm:{tmp_path}")
    with pytest.raises(ConfigError, match=r"opro-workbench\[vllm\]"):
        await loaded.generate(Request(prompt="1"))
    await loaded.close()


def test_settings_that_vllm_does_not_have_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="gpu_memory_utilization"):
        settled(gpu_memory_utilisation=0.5)
    with pytest.raises(ConfigError, match="dtype"):
        settled(dtype="int3")


async def test_a_directory_that_is_not_there_is_an_error_before_vllm_starts(tmp_path: Path) -> None:
    model = VllmModel.load(str(tmp_path / "none"))
    with pytest.raises(ModelError, match="none"):
        _ = model.fingerprint
    with pytest.raises(ModelError, match="none"):
        await model.generate(Request(prompt="1"))
    await model.close()


def test_the_number_type_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    kinds = [VllmModel.load(str(tmp_path), settled(dtype=dtype)).fingerprint for dtype in ("auto", "float32")]
    assert len(set(kinds)) == 2


def test_the_small_default_continues_texts() -> None:
    assert VllmModel.load("").style is Style.CONTINUATION


def test_only_the_items_that_are_left_may_follow() -> None:
    walk = Walk(ITEMS)
    assert allowed(walk, []) == {1, 2, 4}
    assert allowed(walk, [2]) == {3, 1, 4, 2}  # "2 3", or "2" and another item
    assert allowed(walk, [2, 1]) == {2, 4}
    assert allowed(walk, [2, 1, 4]) == {5}
    assert allowed(walk, [2, 1, 4, 5]) == {2}
    assert allowed(walk, [2, 1, 4, 5, 2]) == {3}


def test_tokens_that_are_still_to_come_are_waited_for() -> None:
    walk = Walk(ITEMS)
    assert allowed(walk, [1, -1]) == {2, 4}
    assert allowed(walk, [1, 4]) == {5}


def test_a_row_that_names_every_item_is_left_alone() -> None:
    walk = Walk([[1], [2]])
    assert allowed(walk, [2, 1, 6]) == set(range(8))


def test_requests_without_a_permutation_are_not_followed() -> None:
    assert Walk.of(None) is None
    assert Walk.of({"other": 1}) is None
    assert Walk.of({KEY: [[1]]}) is not None


@pytest.mark.parametrize(
    ("constraint", "stop", "good", "bad"),
    [
        (Regex(r"-?\d{1,2}"), ("\n", "."), ("7", "-12\n", "3."), ("", "x", "123", "3.\n")),
        (Choice(("yes", 'a "no"\n')), (), ("yes", 'a "no"\n'), ("yes\n", "a")),
        (Choice(("yes", "no")), ("\n",), ("yes", "no\n"), ("\n", "yesno")),
        (Regex(r"a.[.]\."), (), ("ab..",), ("a\n..", "abb.")),
    ],
)
def test_a_grammar_allows_the_constraint_and_a_stop_behind_it(
    constraint: Choice | Regex, stop: tuple[str, ...], good: tuple[str, ...], bad: tuple[str, ...]
) -> None:
    rules = xgrammar.Grammar.from_ebnf(grammar(constraint, stop))
    accepts = xgrammar.testing._is_grammar_accept_string
    assert [text for text in good if not accepts(rules, text)] == []
    assert [text for text in bad if accepts(rules, text)] == []
