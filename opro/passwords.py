"""Passwords in addresses: found before they are recorded, and left out of what is shown."""

import re

_USER = re.compile(r"(://[^:/@\s]*):[^\s'\"]*@")
_NAMELESS = re.compile(r"(@[^:/@\s]*):[^/\s'\"]*@")
_QUERY = re.compile(r"([?&][^=&\s]*(?:pass|pwd|secret|token|key|sig|auth)[^=&\s]*=)[^&\s'\"]+", re.IGNORECASE)
_LOGIN = re.compile(r"://[^/\s]*@")


def masked(text: str) -> str:
    """Return a text with asterisks for the passwords in its addresses."""
    return _QUERY.sub(r"\1***", _NAMELESS.sub(r"\1:***@", _USER.sub(r"\1:***@", text)))


def is_secret(address: str) -> bool:
    """Say whether there is a password in the address of a server, or a user, which may be a key as well."""
    return masked(address) != address or _LOGIN.search(address) is not None
