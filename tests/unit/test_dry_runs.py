"""`--dry-run` needs neither key nor server nor weights, records nothing, and knows what is there already."""

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from opro.build import build_problem
from opro.config import run_config
from opro.reader import Reader
from opro.types import Style
from opro.verdict_cost import verdict_requests
from opro.workbench import Models, Workbench
from scorer_models import outline
from tests.unit.conftest import Command
from tests.unit.test_examination import data, models, optimized  # noqa: F401 - a fixture

DEAD = "http://127.0.0.1:9/v1"
TSP = ("run", "tsp", "--steps", "5", "--dry-run")


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_hosted_model_needs_no_key_and_has_its_price(opro: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    code, out, err = opro(*TSP, "--model", "openai:gpt-4.1-mini", "--json")
    assert (code, err) == (0, "")
    (one,) = lines(out)
    assert one["requests"] == 5
    assert isinstance(one["likely_usd"], float)
    assert one["likely_usd"] > 0


def test_a_server_need_not_be_there(opro: Command) -> None:
    code, out, _ = opro(*TSP, "--model", f"openai:tiny@{DEAD}")
    assert code == 0
    assert "--option style=continuation" in " ".join(out.split())
    code, out, _ = opro(*TSP, "--model", f"openai:tiny-0.5b@{DEAD}")
    assert "style" not in out


def test_no_weights_are_fetched(opro: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr("scorer_models.weights.ensure", lambda: pytest.fail("the weights were asked for"))
    monkeypatch.setattr("scorer_models.loading.load", lambda *_: pytest.fail("a model was loaded"))
    for model in ("local", "local:Qwen/Qwen2.5-7B-Instruct", "vllm:Qwen/Qwen2.5-0.5B-Instruct", "local:@float32"):
        assert opro(*TSP, "--model", model)[0] == 0


@pytest.mark.parametrize(
    ("spec", "style"),
    [
        ("local", Style.CONTINUATION),
        ("local:@float32", Style.CONTINUATION),
        ("local:Qwen/Qwen2.5-7B-Instruct", Style.CHAT),
        ("vllm:HuggingFaceTB/SmolLM2-360M-Instruct", Style.CONTINUATION),
        ("local:gpt2", Style.CONTINUATION),
        ("openai:gpt-4.1-mini", Style.CHAT),
        ("openai:qwen2.5-1.5b@http://127.0.0.1:9/v1", Style.CONTINUATION),
        ("uniform", Style.CONTINUATION),
    ],
)
def test_the_style_of_a_model_is_told_by_its_name(spec: str, style: Style) -> None:
    assert outline(spec).style is style


def test_the_style_of_a_model_in_a_folder_is_told_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorer_models.outlines.LARGE", 3000)  # parameters
    (tmp_path / "model.safetensors").write_bytes(bytes(7000))
    (tmp_path / "config.json").write_text('{"torch_dtype": "bfloat16"}')
    assert outline(f"local:{tmp_path}").style is Style.CONTINUATION  # it has no chat template
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    assert outline(f"local:{tmp_path}").style is Style.CHAT
    (tmp_path / "config.json").write_text('{"dtype": "float32"}')
    assert outline(f"vllm:{tmp_path}").style is Style.CONTINUATION


@pytest.mark.parametrize("spec", ["nothing:x", "openai:", "openai:x@127.0.0.1:80", "scripted:missing.txt", "uniform:x"])
def test_a_model_that_there_cannot_be_is_refused(opro: Command, spec: str) -> None:
    code, _, err = opro(*TSP, "--model", spec)
    assert code == 2
    assert err.startswith("error: ")


def test_a_search_that_the_run_would_refuse_is_refused(opro: Command, data: str) -> None:  # noqa: F811
    code, _, err = opro("run", "instructions", "--set", f"task={data}", "--set", "kind=number", "--set", "split=test",
                        "--dry-run")  # fmt: skip
    assert code == 2
    assert "no search may see" in err


def test_a_budget_is_said_to_do_or_not(opro: Command) -> None:
    hosted = (*TSP, "--model", "openai:gpt-4.1-mini")
    _, out, _ = opro(*hosted, "--budget", "1usd")
    assert "is likely to do for one run." in " ".join(out.split())
    _, out, _ = opro(*hosted, "--budget", "0.0001usd")
    assert "will stop one run early" in " ".join(out.split())
    _, out, _ = opro(*TSP, "--model", "openai:nobody@https://api.example.com/v1", "--budget", "1usd")
    assert "No price is known of openai:nobody" in " ".join(out.split())
    told = [lines(opro(*hosted, "--json", "--budget", amount)[1])[0]["budget_suffices"] for amount in ("1usd", "9tok")]
    assert told == [True, False]


def test_where_no_model_is_asked_nothing_is_paid_for(opro: Command) -> None:
    assert "No model is asked" in opro(*TSP, "--proposer", "random")[1]


def test_an_audition_is_not_foreseen(opro: Command) -> None:
    code, _, err = opro("probe", "optimizer", "--dry-run")
    assert code == 2
    assert "--budget" in err


def test_how_long_replies_are_taken_to_be_is_said_where_nothing_limits_them(opro: Command, data: str) -> None:  # noqa: F811
    asked = ("run", "instructions", "--set", f"task={data}", "--set", "train=40", "--dry-run")
    assert "Replies of the scorer are taken to have about 200 tokens" in opro(*asked)[1]
    assert "are taken to have" not in opro(*asked, "--set", "reply_tokens=30")[1]
    assert "are taken to have" not in opro(*TSP)[1]


async def searched(store: str, data: str) -> tuple[Workbench, str, Models]:  # noqa: F811
    given, workbench = models(), Workbench(store)
    return workbench, await optimized(workbench, data, given), given


def counted(reader: Reader, since: int) -> int:
    """Return how many generations a store holds behind the first `since`."""
    with sqlite3.connect(Path(reader.name.removeprefix("sqlite:///"))) as connection:
        return int(connection.execute("select count(*) from generations").fetchone()[0]) - since


async def test_a_verdict_takes_what_was_foreseen(store: str, data: str) -> None:  # noqa: F811
    workbench, name, given = await searched(store, data)
    reader = workbench.reader
    run = reader.run(name)
    problem = build_problem(run_config(run.spec.config))
    before, whole = counted(reader, 0), verdict_requests(reader, run, problem)
    part = verdict_requests(reader, run, problem, best_of_n=False)
    assert part == 4 * 160
    await workbench.examine(name, best_of_n=False, models=given)
    assert counted(reader, before) == part
    rest = verdict_requests(reader, run, problem)
    assert rest == whole - part
    assert verdict_requests(reader, run, problem, best_of_n=False) == 0
    assert given.optimizer
    await workbench.examine(name, models=Models(models().optimizer, given.scorer))
    took = counted(reader, before) - part
    assert (rest - 160) / 1.5 <= took <= 1.5 * rest  # the best of those drawn may be one that was examined
    assert verdict_requests(reader, run, problem) == 0
    workbench.close()


def test_the_command_foresees_a_verdict_and_records_nothing(opro: Command, store: str, data: str) -> None:  # noqa: F811
    workbench, name, _ = asyncio.run(searched(store, data))
    before = counted(workbench.reader, 0)
    runs = len(workbench.reader.runs(baselines=True))
    code, out, err = opro("verdict", name, "--dry-run", "--json", "--budget", "1e9tok")
    assert (code, err) == (0, "")
    made = {str(one["role"]): one for one in lines(out)}
    assert list(made) == ["optimizer, best of N", "scorer, best of N", "scorer, verdict"]
    assert made["scorer, verdict"]["requests"] == made["scorer, verdict"]["most_requests"] == 5 * 160
    assert all(one["budget_suffices"] for one in made.values())
    _, out, _ = opro("verdict", name, "--dry-run", "--no-best-of-n", "--budget", "99tok")
    assert "will stop the verdict early" in " ".join(out.split())
    assert "best of N" not in out
    assert counted(workbench.reader, before) == 0
    assert len(workbench.reader.runs(baselines=True)) == runs
    workbench.close()


def test_a_verdict_is_never_likely_to_take_more_than_at_most(opro: Command, store: str, data: str) -> None:  # noqa: F811
    workbench, name, _ = asyncio.run(searched(store, data))
    workbench.close()
    with sqlite3.connect(store) as connection:  # a search that took more than drawing and examining can
        connection.execute("update generations set prompt_tokens = 10000000, completion_tokens = 1000000")
    made = lines(opro("verdict", name, "--dry-run", "--json")[1])
    assert len(made) == 3
    for one in made:
        assert one["requests"] <= one["most_requests"]
        assert all(one["likely"][name] <= one["most"][name] for name in ("prompt", "completion"))


def test_a_run_foresees_the_verdict_that_is_to_follow_it(opro: Command, data: str) -> None:  # noqa: F811
    asked = ("run", "instructions", "--set", f"task={data}", "--set", "train=40", "--steps", "2", "--dry-run", "--json")
    alone = {str(one["role"]): one for one in lines(opro(*asked)[1])}
    both = {str(one["role"]): one for one in lines(opro(*asked, "--verdict")[1])}
    names = [*alone, *(f"{role}, best of N" for role in alone), "scorer, verdict"]
    assert list(both) == names
    assert both["scorer, best of N"]["requests"] == alone["scorer"]["requests"]
    assert both["scorer, verdict"]["requests"] == 5 * 160  # found, drawn, start, step by step, no instruction
    code, _, err = opro(*TSP, "--verdict")
    assert code == 2
    assert "leave --verdict out" in err


def test_what_a_verdict_has_still_to_ask_is_foreseen(opro: Command, store: str, data: str) -> None:  # noqa: F811
    workbench, name, given = asyncio.run(searched(store, data))
    asyncio.run(workbench.examine(name, best_of_n=False, models=given))
    assert "is there already" in opro("verdict", name, "--dry-run", "--no-best-of-n")[1]
    made = {str(one["role"]): one for one in lines(opro("verdict", name, "--dry-run", "--json")[1])}
    assert made["scorer, verdict"]["requests"] == 160
    workbench.close()


def test_a_run_without_a_verdict_says_so(opro: Command) -> None:
    assert opro("run", "tsp", "--proposer", "random", "--set", "n=5", "--baselines", "never")[0] == 0
    code, _, err = opro("verdict", "tsp", "--dry-run")
    assert code == 2
    assert "keeps no examples away" in err
