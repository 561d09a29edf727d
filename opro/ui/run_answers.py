"""What a scorer answered, example by example: of one instruction, or of two beside each other."""

from typing import Any

import streamlit as st

from opro.reader import Reader
from opro.records import RunRecord
from opro.types import Answer
from opro.ui import data, parts


def show(reader: Reader, store: str, run: RunRecord) -> None:
    """Draw the answers."""
    answers = reader.answers(run.id, split=None)
    trials = {trial.number: trial for trial in data.followed(store, run.id, run).trials(reader)}
    if not answers:
        st.info("No scorer model answers examples in this problem, or none has yet.")
        return
    order = sorted(answers, key=lambda number: run.spec.direction.cost(trials[number].value or 0.0))
    labels = {
        number: f"#{number} · {parts.number(trials[number].value)} · {parts.short(trials[number].text)}"
        for number in order
    }
    left, right = st.columns(2)
    first = left.selectbox("Instruction", order, format_func=labels.__getitem__, key=f"first-{run.id}")
    second = right.selectbox(
        "Beside it", order, index=None, format_func=labels.__getitem__, key=f"second-{run.id}", placeholder="nothing"
    )
    kinds = ("all", "wrong", "flagged", *(("differing",) if second is not None else ()))
    kind = st.segmented_control("Answers", kinds, default="all", key=f"kind-{run.id}") or "all"
    beside: dict[str, Answer] = {one.example: one for one in answers.get(second, ())} if second is not None else {}
    pairs: list[tuple[Answer, Answer | None]] = [(one, beside.get(one.example)) for one in answers[first]]
    rows = [pair for pair in pairs if _wanted(kind, *pair)]
    chosen: Any = st.dataframe(
        [_answer_row(*pair) for pair in rows],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"answers-{run.id}-{first}-{second}-{kind}",
        alt="Answers to the examples",
    )
    st.caption(f"{len(rows)} of {len(pairs)} answers. Choose a row to read the question and the reply.")
    places: list[int] = chosen["selection"]["rows"]
    for place in places:
        _exchange(reader, rows[place])


def _wanted(kind: str, one: Answer, other: Answer | None) -> bool:
    match kind:
        case "wrong":
            return one.score is not None and one.score < 1
        case "flagged":
            return one.flagged
        case "differing":
            return other is not None and one.score != other.score
        case _:
            return True


def _answer_row(one: Answer, other: Answer | None) -> dict[str, Any]:
    row = {
        "example": one.example,
        "right answer": parts.short(one.gold, 300),
        "read as": one.extracted and parts.short(one.extracted, 300),
        "score": one.score,
        "flagged": one.flagged,
        "failure": parts.short(one.failure, 300),
        "tokens": one.tokens,
    }
    return row | ({"beside it: read as": other.extracted, "beside it: score": other.score} if other else {})


def _exchange(reader: Reader, pair: tuple[Answer, Answer | None]) -> None:
    """Show the prompt and the reply behind answers."""
    for one in pair:
        if one is not None and one.generation is not None:
            made = reader.asked([one.generation]).get(one.generation)
            if made is None:
                st.text("The exchange was deleted with the examination that it came from.")
                continue
            st.text("Asked:")
            parts.verbatim(made.prompt, f"asked-{made.id}")
            st.text(f"Answered (read as {parts.short(str(one.extracted))}, right is {parts.short(one.gold)}):")
            parts.verbatim(made.samples[0], f"answered-{made.id}")
