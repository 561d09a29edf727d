"""Pieces that several pages draw. What a model or a user wrote is shown letter by letter: never as markup."""

import re
from collections.abc import Sequence

import streamlit as st

from opro.errors import ConfigError
from opro.pictures import FORMATS, Picture, can_draw, image
from opro.records import RunRecord
from opro.texts import printable
from opro.ui import data

CUT = 20_000
"""Characters of a text that are shown; the rest can be downloaded."""

COLOURS = {"running": "blue", "done": "green", "stopped": "orange", "failed": "red", "died": "red"}
ICONS = {
    "running": ":material/play_circle:",
    "done": ":material/check_circle:",
    "stopped": ":material/pause_circle:",
    "failed": ":material/error:",
    "died": ":material/heart_broken:",
}

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def literal(text: str) -> str:
    """Return a text that Markdown shows letter by letter, on one line; what looks like an address becomes no link."""
    line = " ".join(printable(text).split())
    for sign in ("://", "www.", "@"):
        line = line.replace(sign, f"{sign[:-1]}\u2060{sign[-1]}\u2060")
    return _PUNCTUATION.sub(r"\\\1", line)


def short(text: str, length: int = 80) -> str:
    """Return the beginning of a text, on one line."""
    line = " ".join(printable(text).split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def verbatim(text: str, key: str) -> None:
    """Show a text as it is; of a very long one the beginning, and all of it for download."""
    shown = printable(text)
    st.code(shown[:CUT] or " ", language=None, wrap_lines=True)
    if len(shown) > CUT:
        st.caption(f"The first {CUT:,} of {len(shown):,} characters.")
        st.download_button("All of it", text, f"{key}.txt", "text/plain", key=f"all-{key}", on_click="ignore")


def badge(status: str) -> None:
    """Show a status."""
    st.badge(status, color=COLOURS.get(status, "grey"), icon=ICONS.get(status))  # type: ignore[arg-type]


def number(value: float | None) -> str:
    """Write a value for people."""
    if value is None:
        return "-"
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def name_of(run: RunRecord) -> str:
    """Return what a run is called where there is little room."""
    return short(f"{run.spec.problem} · {run.spec.proposer} · seed {run.spec.seed} · {run.id[-4:]}", 120)


def settings_of(run: RunRecord) -> str:
    """Return the settings of a run's problem, in a line."""
    return ", ".join(f"{name} = {value}" for name, value in run.spec.config["set"].items())


def figure_exports(picture: Picture, key: str) -> None:
    """Offer a figure as a file. Images are drawn only when somebody wants them."""
    with st.container(horizontal=True):
        st.download_button(
            "HTML",
            lambda: picture.draw().to_html(include_mathjax=False),
            f"{key}.html",
            "text/html",
            key=f"html-{key}",
            on_click="ignore",
        )
        for form in FORMATS[:2]:
            st.download_button(
                form.upper(),
                lambda form=form: image(picture.draw(), form),
                f"{key}.{form}",
                key=f"{form}-{key}",
                on_click="ignore",
                disabled=not can_draw(),
                help=None if can_draw() else "An image is drawn by Chrome or Chromium, which was not found here.",
            )


def sentences(lines: Sequence[str]) -> None:
    """Show sentences that may quote texts, one a line."""
    for line in lines:
        st.markdown(f"- {literal(line)}")


def link(page: str, label: str, icon: str, *, disabled: bool = False, help: str = "", **what: str) -> None:
    """Draw a link to another page, with what its address shall name.

    A page with fragments that redraw themselves is left by a link only: `st.switch_page` changes the page on the
    server, and the browser, which hears of it later, may have a fragment of the old page redrawn once more, at which
    it empties the new one ("Bad delta path index").
    """
    pages = st.session_state["pages"]
    st.page_link(pages[page], label=label, icon=icon, help=help or None, disabled=disabled, query_params=what)


def started_commands() -> None:
    """Show the commands of this page that have ended in an error, with what they said, until they are put away."""
    for place, one in enumerate(list(data.started())):
        if one.failed:
            st.error(f"The command failed: {literal(_error(one.said))}", icon=":material/error:")
            with st.expander("What it printed"):
                verbatim(f"$ {one.line}\n\n{one.said}", f"said-{place}")
            if st.button("Put away", key=f"away-{place}"):
                data.started().remove(one)
                st.rerun()


def _error(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("error:")), lines[-1] if lines else "it said nothing")


def explained(error: ConfigError) -> None:
    """Show an error of the workbench."""
    st.error(literal(str(error)), icon=":material/error:")
