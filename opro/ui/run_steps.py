"""The steps of a run: the exact meta-prompts, the raw replies, and what became of each."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from opro.gallery import missing_from
from opro.reader import Reader
from opro.records import RunRecord
from opro.review import review
from opro.ui import access, data, parts

REPLIES = 20
"""Replies that are shown at once."""


def show(reader: Reader, store: str, run: RunRecord) -> None:
    """Draw a step."""
    trials = data.followed(store, run.id, run).trials(reader)
    last = max((record.step for record in reader.steps(run.id)), default=0)
    step = st.number_input(f"Step, 0 to {last}", min_value=0, max_value=last, value=min(1, last), key=f"step-{run.id}")
    asked = reader.generations(run.id, step=int(step), role="optimizer")
    problem = data.problem_at(run.id, run)
    if problem is None and asked:
        missing = missing_from(run, access.is_allowed)
        st.caption(f"What became of replies that are no candidates is not told: {parts.literal(missing)}.")
    known = [trial for trial in trials if trial.step <= step]
    if not asked:
        st.info("No model was asked in this step." if step else "The start: what the problem begins with.")
    for number, generation in enumerate(asked):
        usage = generation.usage
        st.markdown(
            f"**Meta-prompt {number + 1} of {len(asked)}** · temperature {generation.temperature:.3g} · "
            f"{generation.seconds:.2f} s · {usage.prompt:,} tokens read ({usage.cached:,} cached), "
            f"{usage.completion:,} written"
        )
        parts.verbatim(generation.prompt, f"prompt-{generation.id}")
        replies = review(generation, known, problem)
        for place, reply in enumerate(_some(replies, f"replies-{generation.id}")):
            st.text(f"↳ {parts.short(reply.fate, 300)}")
            parts.verbatim(reply.text, f"reply-{generation.id}-{place}")
    made = [trial for trial in trials if trial.step == step]
    st.subheader("Candidates of this step", anchor=False)
    rows = [
        {
            "trial": one.number,
            "value": one.value,
            "failed": parts.short(one.evaluation.reason, 300),
            "solution": parts.short(one.text, 300),
        }
        for one in made
    ]
    st.dataframe(rows, hide_index=True, alt="Candidates of this step")
    for event in reader.events(run.id, step=int(step)):
        st.text(f"{event.kind}: {parts.short(f'{event.role} {event.text}', 500)}")


def _some(items: Sequence[Any], key: str) -> Sequence[Any]:
    """Return the items of the page that is chosen, where there are many."""
    if len(items) <= REPLIES:
        return items
    last = -(-len(items) // REPLIES)
    page = st.number_input(f"Replies, page 1 to {last}", 1, last, 1, key=key)
    return items[(int(page) - 1) * REPLIES : int(page) * REPLIES]
