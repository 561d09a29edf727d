"""Who may see the page, and what it may run: loopback is for this machine's users, any other address asks a token."""

import secrets
import sys
from ipaddress import ip_address
from pathlib import Path

import streamlit as st

from opro.trust import Deed

_ENTERED = "entered"
_made: list[str] = []
_allowed: list[str] = []


def allow(files: list[Path]) -> None:
    """Let the page run these files of the user's own, for runs that name them."""
    _allowed[:] = [str(file.resolve()) for file in files]


def is_allowed(deed: Deed) -> bool:
    """Say whether the page may do something on the word of a run's config."""
    return deed.place in _allowed


def is_loopback(host: str | None) -> bool:
    """Say whether an address reaches this machine alone; without one, all of its addresses are served."""
    try:
        return host == "localhost" or (bool(host) and ip_address(str(host).strip("[]")).is_loopback)
    except ValueError:
        return False


def token(address: str = "") -> str:
    """Return the token of this server, made when it is first needed, and told with the link to the page.

    It lives in this process alone.
    """
    if not _made:
        _made.append(secrets.token_urlsafe(24))
        place = address or "http://HOST:PORT"
        sys.stderr.write(
            "Warning: other machines can reach this page, and it starts programs on this one. Whoever has the link may "
            "use it; what is sent is not encrypted.\n"
            f"{place}/?token={_made[0]}\n"
        )
        sys.stderr.flush()
    return _made[0]


def is_granted() -> bool:
    """Say whether this session may see the page; if not, draw a field for the token."""
    if is_loopback(st.get_option("server.address")) or st.session_state.get(_ENTERED):
        return True
    given = (st.query_params.get("token", ""), st.session_state.get("token-field", ""))
    if any(secrets.compare_digest(str(one).encode(), token().encode()) for one in given):
        st.session_state[_ENTERED] = True
        st.query_params.pop("token", None)  # it shall not be seen, nor copied with the address of a run
        return True
    st.text_input("Token", type="password", key="token-field", placeholder="It stands where `opro ui` was started")
    return False
