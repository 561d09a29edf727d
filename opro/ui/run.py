"""The page of one run: how it went, what it found, and why."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from opro.build import build_problem
from opro.config import as_toml, run_config
from opro.errors import ConfigError, OproError
from opro.examination import report
from opro.export import TABLES, as_text
from opro.pictures import blank, trajectory
from opro.protocols import Examinable
from opro.reader import Reader
from opro.records import RunRecord, Spending, Status
from opro.report import by_role, contestant
from opro.review import review
from opro.types import Answer, Trial
from opro.ui import commands, data, parts

TABS = ("Trajectory", "Pictures", "Steps", "Answers", "Cost", "Verdict", "Export")
JUDGING = (
    "This asks the scorer the test examples, and draws as many candidates blindly; it costs about the run once more."
)

REPLIES = 20
"""Replies that are shown at once."""


def show(reader: Reader, store: str) -> None:
    """Draw the page of the run that the address names."""
    name = st.query_params.get("run", "")
    runs, _ = data.survey(reader, store)
    found = next((run for run in runs if run.id == name), None)
    if found is None:
        _choose(runs, name)
        return
    _head(found, store)
    tabs = st.tabs(TABS, on_change="rerun", key="tab", bind="query-params")
    draw = (_trajectory, _pictures, _steps, _answers, _cost, _verdict, _export)
    for tab, part in zip(tabs, draw, strict=True):
        if tab.open:
            with tab:
                part(reader, store, found)


def _choose(runs: Sequence[RunRecord], name: str) -> None:
    st.title("Run", anchor=False)
    if name:
        st.warning(f"There is no run {parts.literal(name)} in this store.")
    if not runs:
        st.info("Nothing has run yet.")
        return
    labels = {run.id: f"{parts.name_of(run)} · {data.state(run)} · {data.age(run.created)}" for run in runs}
    chosen = st.selectbox("Run", list(labels), index=None, format_func=labels.__getitem__, placeholder="Choose a run")
    if chosen:
        parts.open_run(chosen)


def _head(run: RunRecord, store: str) -> None:
    """Draw what the run is, and what can be done with it."""
    left, right = st.columns([3, 2], vertical_alignment="center")
    with left:
        st.header(parts.literal(run.spec.problem), anchor=False)
        st.caption(parts.literal(parts.short(parts.settings_of(run), 200)) or "default settings")
    status = data.state(run)
    with right, st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        parts.badge(status)
        if commands.can_stop(run):
            st.button(
                "Stop",
                icon=":material/stop_circle:",
                on_click=commands.stop,
                args=(run,),
                help="it ends as soon as what is paid for is recorded",
            )
        if status != "running":
            st.button("Resume", icon=":material/resume:", on_click=_ask, args=(run.id,))
        if st.button("Clone", icon=":material/content_copy:", help="A new run with changes"):
            st.session_state["clone"] = dict(run.spec.config)
            st.switch_page(st.session_state["pages"]["new"])
    if st.session_state.get(_RESUMING) == run.id:
        _resume(run, store)
    model = f" · {run.spec.model}" if run.spec.model else ""
    scorer = f" · scored by {run.spec.scorer}" if run.spec.scorer else ""
    told = f"{run.id} · {contestant(run.spec)}{model}{scorer} · seed {run.spec.seed} · {data.age(run.created)}"
    st.caption(parts.literal(told))
    if status == "died":
        st.warning("Its process is gone. Nothing that was recorded is lost: **Resume** goes on where it was cut.")
    elif run.reason and run.status is not Status.DONE:
        st.caption(parts.literal(f"{run.status}: {run.reason}"))
    parts.started_commands()


_RESUMING = "resuming"


def _ask(run: str) -> None:
    """Have the dialog opened, and kept open whenever the page is drawn anew."""
    st.session_state[_RESUMING] = run


def _asked() -> None:
    st.session_state.pop(_RESUMING, None)


@st.dialog("Resume", on_dismiss=_asked)
def _resume(run: RunRecord, store: str) -> None:
    steps = st.number_input("Steps at most, in all", min_value=0, value=int(run.spec.config["steps"]))
    budget = st.text_input("Another budget", placeholder="2.50usd, 1e6tok or 30min")
    arguments = ["resume", run.id, "--steps", str(steps), *(["--budget", budget] if budget else [])]
    st.code(commands.command_line(arguments, store), language=None, wrap_lines=True)
    if st.button("Resume", type="primary", key="resume-now"):
        data.started().append(commands.start(arguments, store))
        data.survey.clear()
        _asked()
        st.rerun()


def _trajectory(reader: Reader, store: str, run: RunRecord) -> None:
    alive = data.state(run) == "running"
    st.fragment(_live, run_every=1 if alive or _coming(run) else None)(reader, store, run)
    if not alive:
        st.subheader("What may be said", anchor=False)
        parts.sentences(data.verdict_sentences(reader, store, run.id, run.updated, run))


def _coming(run: RunRecord) -> bool:
    """Say whether a command that the page has started is about to work on a run."""
    return any(run.id in one.line and not one.over for one in data.started())


def _live(reader: Reader, store: str, run: RunRecord) -> None:
    """Draw the part that changes while a run goes on; only new trials are read."""
    follow = data.followed(store, run.id, run)
    trials = follow.trials(reader)
    now = reader.run(run.id)
    if data.state(now) != data.state(run):
        data.survey.clear()
        st.rerun()
    if data.state(run) != "running" and _coming(run):
        st.info("A command works on this run; its model may take a while to load.", icon=":material/hourglass_top:")
    _numbers(run, trials, follow)
    baselines = {} if now.status is Status.RUNNING else _baselines(reader, run)
    if trials:
        figure = trajectory(trials, run.spec.direction, run.spec.references, baselines)
        parts.chart(figure, f"trajectory-{run.id}")
    else:
        st.info("Nothing is scored yet: the model is loading, or the first step is being asked.")
    if follow.trajectory.best is not None:
        st.subheader("Best so far", anchor=False)
        _top(follow.trajectory.top(10))
    elif trials:
        reasons = dict.fromkeys(trial.evaluation.reason for trial in trials)
        st.warning(f"No candidate has succeeded yet; all {len(trials)} failed. Why, for some of them:")
        parts.verbatim("\n".join(list(reasons)[:5]), f"reasons-{run.id}")


def _baselines(reader: Reader, run: RunRecord) -> dict[str, Sequence[Trial]]:
    return {contestant(made.spec): reader.trials(made.id) for made in reader.baselines_of(run.id)}


def _numbers(run: RunRecord, trials: Sequence[Trial], follow: data.Followed) -> None:
    best = follow.trajectory.best
    first = next((trial.value for trial in trials if trial.value is not None), None)
    value = best.value if best else None
    gap = data.gap_of(run, value)
    step = trials[-1].step if trials else 0
    with st.container(horizontal=True):
        st.metric("best value", parts.number(value), border=True)
        st.metric("first value", parts.number(first), border=True)
        st.metric("gap to the optimum", "-" if gap is None else f"{gap:,.{2 if gap < 1000 else 0}f} %", border=True)
        st.metric("step", f"{step} of {run.spec.config['steps']}", border=True)
        st.metric("candidates", f"{len(trials):,}", border=True)
        st.metric("failed", f"{follow.trajectory.invalid:,}", border=True)


def _top(trials: Sequence[Trial]) -> None:
    rows = [
        {"value": one.value, "step": one.step, "trial": one.number, "solution": parts.short(one.text, 300)}
        for one in trials
    ]
    column = st.column_config
    st.dataframe(
        rows,
        hide_index=True,
        column_config={"value": column.NumberColumn(format="%.6g"), "solution": column.TextColumn(width="large")},
        alt="The best solutions so far",
    )


def _pictures(reader: Reader, store: str, run: RunRecord) -> None:
    pictures = data.gallery(reader, store, run.id, run.updated, run)[1:]
    if not pictures:
        st.info("This problem brings no pictures of its own, or has nothing to draw yet.")
        return
    titles = [picture.title for picture in pictures]
    title = st.segmented_control("Picture", titles, default=titles[0], key="picture", label_visibility="collapsed")
    picture = next((one for one in pictures if one.title == title), pictures[0])
    st.caption(parts.literal(picture.caption))
    parts.chart(picture.draw(), f"picture-{run.id}-{picture.title}")


def _steps(reader: Reader, store: str, run: RunRecord) -> None:
    trials = data.followed(store, run.id, run).trials(reader)
    last = max((record.step for record in reader.steps(run.id)), default=0)
    step = st.number_input(f"Step, 0 to {last}", min_value=0, max_value=last, value=min(1, last), key=f"step-{run.id}")
    asked = reader.generations(run.id, step=int(step), role="optimizer")
    problem = _problem(run)
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
            "failed": one.evaluation.reason,
            "solution": parts.short(one.text, 300),
        }
        for one in made
    ]
    st.dataframe(rows, hide_index=True, alt="Candidates of this step")
    for event in reader.events(run.id, step=int(step)):
        st.text(f"{event.kind}: {event.role} {parts.short(event.text, 500)}")


def _some(items: Sequence[Any], key: str) -> Sequence[Any]:
    """Return the items of the page that is chosen, where there are many."""
    if len(items) <= REPLIES:
        return items
    last = -(-len(items) // REPLIES)
    page = st.number_input(f"Replies, page 1 to {last}", 1, last, 1, key=key)
    return items[(int(page) - 1) * REPLIES : int(page) * REPLIES]


def _problem(run: RunRecord) -> Any:
    try:
        return build_problem(run_config(run.spec.config))
    except OproError:  # a problem of the user's own that is not here any more: show what can be shown
        return None


def _answers(reader: Reader, store: str, run: RunRecord) -> None:
    trials = {trial.number: trial for trial in data.followed(store, run.id, run).trials(reader)}
    answers = reader.answers(run.id, split=None)
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
    beside = {one.example: one for one in answers.get(second, ())} if second is not None else {}
    pairs = [(one, beside.get(one.example)) for one in answers[first]]
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
    for place in chosen["selection"]["rows"]:
        _exchange(reader, run, rows[place])


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
        "right answer": one.gold,
        "read as": one.extracted,
        "score": one.score,
        "flagged": one.flagged,
        "failure": one.failure,
        "tokens": one.tokens,
    }
    return row | ({"beside it: read as": other.extracted, "beside it: score": other.score} if other else {})


def _exchange(reader: Reader, run: RunRecord, pair: tuple[Answer, Answer | None]) -> None:
    """Show the prompt and the reply behind answers."""
    for one in pair:
        if one is not None and one.generation is not None:
            made = reader.generation(run.id, one.generation)
            st.text("Asked:")
            parts.verbatim(made.prompt, f"asked-{made.id}")
            st.text(f"Answered (read as {one.extracted}, right is {one.gold}):")
            parts.verbatim(made.samples[0], f"answered-{made.id}")


def _cost(reader: Reader, store: str, run: RunRecord) -> None:
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
    parts.chart(figure, f"seconds-{run.id}")
    if spent:
        tokens = blank("step", "tokens")
        for role in dict.fromkeys(part.role for part in spent):
            mine = [part for part in spent if part.role == role]
            tokens.add_bar(x=[part.step for part in mine], y=[part.tokens for part in mine], name=role)
        tokens.update_layout(barmode="stack")
        parts.chart(tokens, f"tokens-{run.id}")
    events = reader.events(run.id)
    if events:
        st.subheader("What happened on the way", anchor=False)
        rows = [{"step": one.step, "what": str(one.kind), "model as": one.role, "text": one.text} for one in events]
        st.dataframe(rows, hide_index=True, alt="Faults and notes")


def _cost_row(part: Spending) -> dict[str, Any]:
    seconds = part.seconds or None
    return {
        "model as": part.role,
        "requests": part.requests,
        "tokens read": part.usage.prompt,
        "of them cached": part.usage.cached,
        "tokens written": part.usage.completion,
        "seconds of requests": part.seconds,
        "written in a second": part.usage.completion / seconds if seconds else None,
        "usd": part.usd,
        "failed tries": part.faults,
    }


def _verdict(reader: Reader, store: str, run: RunRecord) -> None:
    st.subheader("On what the run has seen", anchor=False)
    parts.sentences(data.verdict_sentences(reader, store, run.id, run.updated, run))
    made = next((one for one in reader.examinations_of(run.id) if one.status is Status.DONE), None)
    if made is not None:
        st.subheader("On examples that the run has not seen", anchor=False)
        judged = report(reader, made, "test")
        rows = [
            {
                "accuracy, %": 100 * one.accuracy.mean,
                "from": 100 * one.accuracy.low,
                "to": 100 * one.accuracy.high,
                "n": one.accuracy.n,
                "unread": one.unread,
                "flagged": one.flagged,
                "text": parts.short(one.text, 300),
            }
            for one in judged.examined
        ]
        st.dataframe(rows, hide_index=True, alt="Accuracies on the test examples")
        parts.sentences(judged.sentences)
    elif isinstance(_problem(run), Examinable) and data.state(run) != "running":
        st.subheader("On examples that the run has not seen", anchor=False)
        arguments = ["verdict", run.id]
        st.markdown(JUDGING)
        st.code(commands.command_line(arguments, store), language=None, wrap_lines=True)
        if st.button("Judge", type="primary"):
            data.started().append(commands.start(arguments, store))
            st.toast("It has begun; the result appears here.")


def _export(reader: Reader, store: str, run: RunRecord) -> None:
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
    for number, picture in enumerate(data.gallery(reader, store, run.id, run.updated, run)):
        st.markdown(f"**{parts.literal(picture.title)}**")
        parts.figure_exports(picture, f"{run.id}-{number}")
