"""Serving the page: what `opro ui` does."""

import socket
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from opro.extras import require
from opro.store import default_store

THEME = {
    "theme.light.primaryColor": "#0072b2",
    "theme.dark.primaryColor": "#56b4e9",
    "theme.baseRadius": "small",
    "theme.showWidgetBorder": "true",
}

_SILENT = "logger.hideWelcomeMessage"
"""Keeps Streamlit from printing links, which lack the token; older ones, such as 1.52, do not know it."""


def _knows(option: str) -> bool:
    """Say whether the installed Streamlit has an option; reading its value would settle others."""
    run: Any = import_module("streamlit.web.cli").main_run
    return any(f"--{option}" in parameter.opts for parameter in run.params)


def _reached(host: str) -> str:
    """Return by which address other machines reach this one."""
    if host not in ("", "0.0.0.0", "::"):
        return f"[{host}]" if ":" in host else host
    from streamlit.net_util import get_internal_ip

    return get_internal_ip() or socket.gethostname()


def arguments(store: str | None, host: str, port: int, *, browser: bool, links: bool = True) -> list[str]:
    """Return the arguments of `streamlit` that serve the page; without `links` it prints none of its own."""
    options = {
        "server.address": host,
        "server.port": str(port),
        "server.headless": "false" if browser else "true",
        "server.enableCORS": "true",  # whatever the user's own settings are: other sites' pages shall not reach it
        "server.enableXsrfProtection": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "viewer",
        "client.showErrorLinks": "false",
        **({} if links or not _knows(_SILENT) else {_SILENT: "true"}),
        **THEME,
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    script = str(Path(__file__).with_name("page.py"))
    return ["run", script, *flags, "--", "--store", store or default_store()]


def serve(store: str | None, host: str, port: int, allowed: Sequence[Path], *, browser: bool) -> None:
    """Serve the page until Ctrl-C; it may run the files of the user's own that are `allowed`.

    Raises:
        MissingExtraError: what draws it is not installed.
    """
    require("ui", "the page")
    for heavy in ("pandas", "plotly.graph_objects", "opro.gallery", "opro.examination"):
        import_module(heavy)  # before anybody waits for it
    from opro.ui import access

    access.allow([*allowed])
    own = access.is_loopback(host)
    if not own:
        access.token(f"http://{_reached(host)}:{port}")
    browser = browser and own  # without the token, what opens by itself is of no use
    import_module("streamlit.web.cli").main(arguments(store, host, port, browser=browser, links=own))
