"""What a run cost, what may be said of it, and all of it as files."""

from typing import Any

import streamlit as st

from opro.config import as_toml, run_config
from opro.errors import ConfigError
from opro.examination import Examined, report
from opro.export import TABLES, as_text
from opro.pictures import blank, hover
from opro.protocols import Examinable
from opro.reader import Reader
from opro.records import RunRecord, Spending, Status
from opro.report import by_role, finalist
from opro.ui import charts, commands, data, parts
from opro.winning import best_of

JUDGING = (
    "This asks the scorer the test examples, and draws as many candidates blindly; it costs about the run once more."
)


def winner(reader: Reader, run: RunRecord) -> None:
    """Draw the solution that the run found, whole, with a button that copies it."""
    try:
        best = best_of(reader, run)
    except ConfigError:  # what failed is shown above
        return
    st.subheader("The best, whole", anchor=False)
    st.caption(parts.literal(f"trial {best.trial} of step {best.step}{f', {best.score}' if best.score else ''}"))
    parts.verbatim(best.text, f"best-{run.id}")


def findings(reader: Reader, store: str, run: RunRecord) -> None:
    """Draw what is wrong with the replies of a run, if anything is."""
    for sentence in data.findings(reader, store, run):
        st.warning(parts.literal(sentence), icon=":material/troubleshoot:")


def cost(reader: Reader, store: str, run: RunRecord) -> None:
    """Draw what the run cost, and what happened on the way."""
    del store
    spent = reader.spending(run.id)
    if not spent:
        st.info("No model was asked, so this cost only time.")
    else:
        st.dataframe([_cost_row(part) for part in by_role(spent)], hide_index=True, alt="Cost by role")
    steps = reader.steps(run.id)
    figure = blank("step", "seconds")
    figure.add_bar(x=[one.step for one in steps], y=[one.asking for one in steps], name="asking")
    figure.add_bar(x=[one.step for one in steps], y=[one.scoring for one in steps], name="scoring")
    figure.update_layout(barmode="stack")
    charts.show(figure, f"seconds-{run.id}")
    if spent:
        tokens = blank("step", "tokens")
        for role in dict.fromkeys(part.role for part in spent):
            mine = [part for part in spent if part.role == role]
            tokens.add_bar(x=[part.step for part in mine], y=[part.tokens for part in mine], name=hover(role))
        tokens.update_layout(barmode="stack")
        charts.show(tokens, f"tokens-{run.id}")
    events = reader.events(run.id)
    if events:
        st.subheader("What happened on the way", anchor=False)
        rows = [
            {
                "step": one.step,
                "what": str(one.kind),
                "model as": parts.short(one.role),
                "text": parts.short(one.text, 500),
            }
            for one in events
        ]
        st.dataframe(rows, hide_index=True, alt="Faults and notes")


def _cost_row(part: Spending) -> dict[str, Any]:
    seconds = part.seconds or None
    return {
        "model as": parts.short(part.role),
        "requests": part.requests,
        "tokens read": part.usage.prompt,
        "of them cached": part.usage.cached,
        "tokens written": part.usage.completion,
        "seconds of requests": part.seconds,
        "written in a second": part.usage.completion / seconds if seconds else None,
        "usd": part.usd,
        "failed tries": part.faults,
    }


def verdict(reader: Reader, store: str, run: RunRecord) -> None:
    """Draw what may be said of the run."""
    st.subheader("On what the run has seen", anchor=False)
    parts.sentences(data.verdict_sentences(reader, store, run))
    st.fragment(_examination, run_every=2 if data.is_awaited(reader, run) else None)(reader, store, run)


def _examination(reader: Reader, store: str, run: RunRecord) -> None:
    """Draw the newest verdict on examples that the run has not seen, and offer one where there is none of its best."""
    problem = data.problem_at(run.id, run)
    if not isinstance(problem, Examinable):
        return
    if problem.examines:
        st.subheader("On the examples that are kept away", anchor=False)
        if run.status is Status.DONE:
            _judged(reader, run, problem)
        return
    st.subheader("On examples that the run has not seen", anchor=False)
    made = next((one for one in reversed(reader.examinations_of(run.id)) if one.status is Status.DONE), None)
    judged = made is not None and reader.trials(made.id)[0].text == _best(reader, run)
    if made is not None:
        _judged(reader, made, problem)
        if not judged:
            st.caption("The run has found something better since.")
    if not judged and data.state(run) != "running":
        _offer(reader, store, run)


def _best(reader: Reader, run: RunRecord) -> str:
    try:
        return finalist(reader, run).text
    except ConfigError:
        return ""


def _judged(reader: Reader, made: RunRecord, problem: Examinable) -> None:
    try:
        judged = report(reader, made, problem.rivals)
    except ConfigError as error:  # all scoring failed
        parts.explained(error)
        return
    rows = [_judged_row(one) for one in judged.examined]
    number = st.column_config.NumberColumn(format="%.1f")
    columns: dict[str, Any] = dict.fromkeys(("accuracy, %", "from", "to"), number)
    st.dataframe(rows, hide_index=True, column_config=columns, alt="Accuracies on the test examples")
    parts.sentences(judged.sentences)


def _judged_row(one: Examined) -> dict[str, Any]:
    share = one.accuracy
    return {
        "what": parts.short(one.name, 60),
        "accuracy, %": share and 100 * share.mean,
        "from": share and 100 * share.low,
        "to": share and 100 * share.high,
        **({} if one.macro_f1 is None else {"macro F1": round(one.macro_f1, 3)}),
        "n": share.n if share else 0,
        "unread": one.unread,
        "flagged": one.flagged,
        "text": parts.short(one.text, 300),
    }


def _offer(reader: Reader, store: str, run: RunRecord) -> None:
    """Offer a verdict, unless one is being made."""
    awaited = data.is_awaited(reader, run)
    arguments = ["verdict", run.id]
    st.markdown(JUDGING)
    st.code(commands.command_line(arguments, store), language=None, wrap_lines=True)
    if st.button("Judge", type="primary", disabled=awaited):
        data.started().append(commands.start(arguments, store))
        st.rerun()
    if awaited:
        st.info("It is at work; the result appears here.", icon=":material/hourglass_top:")


def export(reader: Reader, store: str, run: RunRecord) -> None:
    """Offer the run and its figures as files."""
    st.markdown("**Data**")
    with st.container(horizontal=True):
        for what, rows in TABLES.items():
            st.download_button(
                f"{what}, CSV",
                lambda rows=rows: as_text(rows(reader, run), "csv"),
                f"{run.id}-{what}.csv",
                "text/csv",
                on_click="ignore",
            )
        try:
            settings = as_toml(run_config(run.spec.config))
            st.download_button("the run, TOML", settings, f"{run.id}.toml", "application/toml", on_click="ignore")
        except ConfigError as error:  # of a version with other settings
            parts.explained(error)
    for number, picture in enumerate(data.gallery(reader, store, run)):
        st.markdown(f"**{parts.literal(picture.title)}**")
        parts.figure_exports(picture, f"{run.id}-{number}")
