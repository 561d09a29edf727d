"""The page's entry: finds the store, and leads to the pages."""

import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module

import streamlit as st
from streamlit.navigation.page import Page

from opro.errors import OproError
from opro.passwords import masked
from opro.reader import EmptyStoreError, OlderStoreError, Reader
from opro.store import default_store
from opro.ui import access, commands, compare, data, new, parts, run, runs

for heavy in ("pandas", "plotly.graph_objects"):  # whole before sessions, which run in threads, would race for them
    import_module(heavy)


def store_name() -> str:
    """Return the store to show: that of `--store` behind the script, else of $OPRO_STORE, else the one in your home."""
    given = sys.argv[sys.argv.index("--store") + 1 :] if "--store" in sys.argv[:-1] else []
    return given[0] if given else os.environ.get("OPRO_STORE") or default_store()


def main() -> None:
    """Draw the page."""
    st.set_page_config("OPRO workbench", ":material/trending_up:", layout="wide")
    st.html("<style>.stMainBlockContainer {padding-top: 4.5rem; padding-bottom: 3rem}</style>")
    if not access.is_granted():
        return
    store = store_name()
    reader = _opened(store)

    def page(draw: Callable[[Reader, str], None], title: str, icon: str, address: str) -> Page:
        shown = partial(_no_store, store) if reader is None else partial(draw, reader, store)
        return st.Page(shown, title=title, icon=f":material/{icon}:", url_path=address, default=not address)

    made = {
        "runs": page(runs.show, "Runs", "list", ""),
        "run": page(run.show, "Run", "timeline", "run"),
        "compare": page(compare.show, "Compare", "compare_arrows", "compare"),
        "new": st.Page(partial(new.show, reader, store), title="New run", icon=":material/add:", url_path="new"),
    }
    st.session_state["pages"] = made
    chosen = st.navigation(list(made.values()), position="top")
    try:
        chosen.run()
    except OproError as error:  # what is stored cannot be read, or not be drawn
        st.error(parts.literal(str(error)), icon=":material/error:")


def _opened(store: str) -> Reader | None:
    """Return the reader of the store; None, or no return, where it cannot be read."""
    made = data.file_of(store)
    if "://" not in store and not made:
        return None
    try:
        return data.reader_of(store, made)
    except EmptyStoreError:
        return None
    except OlderStoreError as error:
        st.warning(parts.literal(str(error)))
        if st.button("Bring it up to date"):
            done, said = commands.finish(["list"], store)
            if done:
                st.rerun()
            st.error(parts.literal(said))
    except OproError as error:
        st.error(parts.literal(str(error)))
        st.caption("The page only reads a store. Another one is opened by `opro ui --store FILE`.")
    return st.stop()


def _no_store(store: str) -> None:
    st.title("Runs", anchor=False)
    st.info(f"There is no store {parts.literal(masked(store))} yet: the first run makes it.")
    parts.started_commands()
    if any(not one.over for one in data.started()):
        st.caption("A run is starting; this page follows.")
        _wait(store)
    parts.link("new", "New run", ":material/add:")


@st.fragment(run_every=1)
def _wait(store: str) -> None:
    if data.file_of(store) or all(one.over for one in data.started()):
        st.rerun()


if __name__ == "__main__":
    main()
