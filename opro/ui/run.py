"""The page of one run: how it went, what it found, and why."""

import contextlib
from collections.abc import Sequence

import streamlit as st

from opro.errors import InvalidSolutionError
from opro.gallery import missing_from
from opro.pictures import trajectory
from opro.protocols import Typeset
from opro.reader import Reader
from opro.records import RunRecord, Status
from opro.report import contestant
from opro.types import Trial
from opro.ui import access, charts, commands, data, new, parts, run_answers, run_results, run_steps

WHO_MAY = (
    "This page runs files of yours that it was started with (`opro ui --allow FILE.py`); `opro show --trust` does all."
)

TABS = ("Trajectory", "Pictures", "Steps", "Answers", "Cost", "Verdict", "Export")


def show(reader: Reader, store: str) -> None:
    """Draw the page of the run that the address names."""
    name = st.query_params.get("run", "")
    runs, _ = data.survey(reader, store)
    found = next((run for run in runs if run.id == name), None)
    if found is None:
        _choose(runs, name)
        return
    found = reader.run(found.id)  # as it is now: a survey may be older than the end of its process
    _head(found, store)
    tabs = st.tabs(TABS, on_change="rerun", key="tab", bind="query-params")
    draw = (
        _trajectory,
        _pictures,
        run_steps.show,
        run_answers.show,
        run_results.cost,
        run_results.verdict,
        run_results.export,
    )
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
        st.query_params["run"] = chosen
        st.rerun()


def _head(run: RunRecord, store: str) -> None:
    """Draw what the run is, and what can be done with it."""
    left, right = st.columns([3, 2], vertical_alignment="center")
    with left:
        st.header(parts.literal(run.spec.problem), anchor=False)
        st.caption(parts.literal(parts.short(parts.settings_of(run), 200)) or "default settings")
    status = data.state(run)
    # From the left, for what is about to vanish stands behind what takes its place: no button moves under a hand.
    with right, st.container(horizontal=True, vertical_alignment="center"):
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
        st.session_state.pop(new.CLONED, None)  # a click fills the form, also the second time
        parts.link("new", "Clone", ":material/content_copy:", help="A new run with changes", clone=run.id)
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
    state = data.state(run)
    lively = state == "running" or data.is_awaited(reader, run)
    st.fragment(_live, run_every=1 if lively else None)(reader, store, run, state)
    if state != "running":
        run_results.winner(reader, run)
        st.subheader("What may be said", anchor=False)
        parts.sentences(data.verdict_sentences(reader, store, run))
        run_results.findings(reader, store, run)


def _live(reader: Reader, store: str, run: RunRecord, state: str) -> None:
    """Draw the part that changes while a run goes on; only new trials are read."""
    follow = data.followed(store, run.id, run)
    trials = follow.trials(reader)
    now = reader.run(run.id)
    awaited = data.is_awaited(reader, run)
    before = st.session_state.setdefault(f"awaited-{run.id}", awaited)
    if data.state(now) != state or awaited != before:
        st.session_state[f"awaited-{run.id}"] = awaited
        data.survey.clear()
        st.rerun()
    if state != "running" and awaited:
        st.info("Something is at work on this run; a model may take a while to load.", icon=":material/hourglass_top:")
    _numbers(run, trials, follow)
    baselines = {} if now.status is Status.RUNNING else _baselines(reader, run)
    if trials:
        figure = trajectory(trials, run.spec.direction, run.spec.references, baselines)
        charts.show(figure, f"trajectory-{run.id}")
    else:
        st.info("Nothing is scored yet: the model is loading, or the first step is being asked.")
    if follow.trajectory.found is not None:
        st.subheader("Best so far", anchor=False)
        _formula(run, follow.trajectory.found.text)
        _top(follow.trajectory.leaders(10))
    elif trials:
        reasons = dict.fromkeys(trial.evaluation.reason for trial in trials)
        st.warning(f"No candidate has succeeded yet; all {len(trials)} failed. Why, for some of them:")
        parts.verbatim("\n".join(list(reasons)[:5]), f"reasons-{run.id}")


def _baselines(reader: Reader, run: RunRecord) -> dict[str, Sequence[Trial]]:
    return {contestant(made.spec): reader.trials(made.id) for made in reader.baselines_of(run.id)}


def _numbers(run: RunRecord, trials: Sequence[Trial], follow: data.Followed) -> None:
    best = follow.trajectory.found
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


def _formula(run: RunRecord, text: str) -> None:
    """Typeset a solution that is a formula."""
    problem = data.problem_at(run.id, run)
    if isinstance(problem, Typeset):
        with contextlib.suppress(InvalidSolutionError):  # what is stored need not be a solution
            st.latex(problem.formula(text))


def _top(trials: Sequence[Trial]) -> None:
    raced = any(one.dropped for one in trials)
    rows = [
        {
            "value": one.value,
            **({"scored": "dropped" if one.dropped else "in full"} if raced else {}),
            "step": one.step,
            "trial": one.number,
            "solution": parts.short(one.text, 300),
        }
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
    pictures = data.gallery(reader, store, run)[1:]
    missing = missing_from(run, access.is_allowed)
    if missing:
        st.info(f"The pictures of the problem are not drawn: {parts.literal(missing)}. {WHO_MAY}")
    if not pictures and not missing:
        st.info("This problem brings no pictures of its own, or has nothing to draw yet.")
    if not pictures:
        return
    titles = [picture.title for picture in pictures]
    title = st.segmented_control("Picture", titles, default=titles[0], key="picture", label_visibility="collapsed")
    picture = next((one for one in pictures if one.title == title), pictures[0])
    st.caption(parts.literal(picture.caption))
    charts.show(picture.draw(), f"picture-{run.id}-{picture.title}")
