"""Addresses of servers, as users type them."""

from urllib.parse import SplitResult, urlsplit

from opro.errors import ConfigError
from opro.passwords import masked


def parts_of(url: str) -> SplitResult:
    """Return the parts of a URL, whose port can be read.

    Raises:
        ConfigError: its host or its port is none.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # which is read only now
    except ValueError as error:
        raise ConfigError(f"{masked(url)!r} is no address of a server: {error}") from error
    return parts
