"""The first page: what is running, whether it is getting better, and everything that has run."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from opro.pictures import best_so_far
from opro.reader import Reader
from opro.records import RunRecord, Standing
from opro.ui import commands, data, parts

STATES = ("running", "done", "stopped", "failed", "died")


def show(reader: Reader, store: str) -> None:
    """Draw the page."""
    runs, standings = data.survey(reader, store)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.title("Runs", anchor=False)
        parts.link("new", "New run", ":material/add:")
    parts.started_commands()
    _now(reader, store)
    if not runs:
        st.info("Nothing has run yet. Start with **New run**: linear regression takes a few seconds, on any machine.")
        return
    if reader.left_out:
        st.caption(f"Left out, for what is stored is no run: {len(reader.left_out)}.")
    chosen = _table(_filtered(runs), standings)
    _actions(chosen, store)


def _filtered(runs: Sequence[RunRecord]) -> list[RunRecord]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Filter", placeholder="problem, proposer, model or id", key="filter", label_visibility="collapsed"
        )
        states = st.pills("Status", STATES, selection_mode="multi", key="states", label_visibility="collapsed")
    found = [run for run in runs if not states or data.state(run) in states]
    for word in (words or "").lower().split():
        found = [run for run in found if word in _searched(run)]
    return found


def _searched(run: RunRecord) -> str:
    return f"{run.id} {run.spec.problem} {run.spec.proposer} {run.spec.model} {parts.settings_of(run)}".lower()


@st.fragment(run_every=2)
def _now(reader: Reader, store: str) -> None:
    """Draw the runs that go on, and redraw the whole page when one begins or ends."""
    runs, standings = data.survey(reader, store)
    running = [run for run in runs if data.state(run) == "running"]
    failed = [one.line for one in data.started() if one.failed]
    now = [run.id for run in runs], [run.id for run in running], failed
    if st.session_state.get("now", now) != now:
        st.session_state["now"] = now
        st.rerun()
    st.session_state["now"] = now
    starting = [one for one in data.started() if not one.over and one.process.pid not in {run.pid for run in running}]
    for one in starting:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(f"At work: {parts.literal(one.line)}", icon=":material/hourglass_top:")
            st.button("Stop", key=f"end-{one.process.pid}", on_click=one.process.terminate)
    if not running and not starting:
        st.caption("Nothing is running now.")
    for run in running:
        _card(reader, store, run, standings.get(run.id, Standing()))


def _card(reader: Reader, store: str, run: RunRecord, standing: Standing) -> None:
    """Draw a run that goes on: is it getting better?"""
    with st.container(border=True):
        what, value, progress, buttons = st.columns([3, 2, 3, 2], vertical_alignment="center")
        with what:
            st.markdown(f"**{parts.literal(run.spec.problem)}** · {parts.literal(run.spec.proposer)}")
            st.caption(parts.literal(parts.short(f"{run.spec.model} {parts.settings_of(run)}")))
        trials = data.followed(store, run.id, run).trials(reader)
        _, best = best_so_far(trials, run.spec.direction)
        change = None if len(best) < 2 else best[-1] - best[0]
        inverse = "inverse" if run.spec.direction == "minimize" else "normal"
        value.metric(
            "best value",
            parts.number(best[-1] if best else None),
            None if not change else parts.number(change),
            delta_color=inverse,
            chart_data=best if len(best) > 1 else None,
        )
        steps = max(run.spec.config["steps"], 1)
        progress.progress(
            min(1.0, standing.step / steps), f"step {standing.step} of {steps} · {standing.trials} candidates"
        )
        with buttons, st.container(horizontal=True, horizontal_alignment="right"):
            parts.link("run", "Open", ":material/timeline:", run=run.id)
            if commands.can_stop(run):
                stop = ":material/stop_circle:"
                st.button("Stop", key=f"stop-{run.id}", icon=stop, on_click=commands.stop, args=(run,))


def _table(runs: Sequence[RunRecord], standings: dict[str, Standing]) -> list[RunRecord]:
    """Draw the table and return the chosen runs."""
    rows = [_row(run, standings.get(run.id, Standing())) for run in runs]
    column = st.column_config
    chosen: Any = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"table-{hash(tuple(run.id for run in runs))}",  # rows are chosen by place: other rows, another choice
        column_config={
            "best": column.NumberColumn("best value", format="%.4g"),
            "gap": column.NumberColumn("gap, %", format="%.2f", help="how far from the proved optimum, where one is"),
            "tokens": column.NumberColumn("tokens", format="compact"),
            "usd": column.NumberColumn("usd", format="%.4g", help="empty where a price is not known"),
            "settings": column.TextColumn("settings", width="medium"),
        },
        alt="All runs: status, problem, proposer, model, best value and cost",
    )
    return [runs[place] for place in chosen["selection"]["rows"] if place < len(runs)]


def _row(run: RunRecord, standing: Standing) -> dict[str, Any]:
    best = standing.best(run.spec.direction)
    return {
        "status": data.state(run),
        "problem": parts.short(run.spec.problem),
        "settings": parts.short(parts.settings_of(run), 60),
        "proposer": parts.short(run.spec.proposer),
        "model": parts.short(run.spec.model, 40),
        "seed": run.spec.seed,
        "step": standing.step,
        "best": best,
        "gap": data.gap_of(run, best),
        "failed": standing.failed,
        "tokens": standing.tokens,
        "usd": standing.usd,
        "age": data.age(run.created),
        "run": run.id,
    }


def _actions(chosen: Sequence[RunRecord], store: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        ids = [run.id for run in chosen]
        parts.link("run", "Open", ":material/timeline:", disabled=len(ids) != 1, run="".join(ids[:1]))
        parts.link("compare", "Compare", ":material/compare_arrows:", disabled=len(ids) < 2, runs=" ".join(ids))
        if st.button("Delete", disabled=not chosen, key="delete", icon=":material/delete:"):
            _confirm(chosen, store)
    st.caption("Choose rows by the boxes at their left.")


@st.dialog("Delete for good?")
def _confirm(runs: Sequence[RunRecord], store: str) -> None:
    st.text("\n".join(f"{parts.name_of(run)} ({run.id})" for run in runs))
    st.markdown("With all that is recorded under them, their baselines and verdicts. There is no way back.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", key="really"):
            done, said = commands.finish(["delete", *(run.id for run in runs), "--yes"], store)
            if done:
                data.survey.clear()
                st.rerun()
            st.error(parts.literal(said))
        if st.button("Keep", key="keep"):
            st.rerun()
