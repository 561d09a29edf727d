"""Serving the page: what `opro ui` does."""

from importlib import import_module
from pathlib import Path

from opro.extras import require
from opro.store import default_store

THEME = {
    "theme.light.primaryColor": "#0072b2",
    "theme.dark.primaryColor": "#56b4e9",
    "theme.baseRadius": "small",
    "theme.showWidgetBorder": "true",
}


def arguments(store: str | None, host: str, port: int, *, browser: bool) -> list[str]:
    """Return the arguments of `streamlit` that serve the page."""
    options = {
        "server.address": host,
        "server.port": str(port),
        "server.headless": "false" if browser else "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "viewer",
        "client.showErrorLinks": "false",
        **THEME,
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    script = str(Path(__file__).with_name("page.py"))
    return ["run", script, *flags, "--", "--store", store or default_store()]


def serve(store: str | None, host: str, port: int, *, browser: bool) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        MissingExtraError: what draws it is not installed.
    """
    require("ui", "the page")
    for heavy in ("pandas", "plotly.graph_objects", "opro.gallery", "opro.examination"):
        import_module(heavy)  # before anybody waits for it
    import_module("streamlit.web.cli").main(arguments(store, host, port, browser=browser))
