"""Constraints as GBNF, the grammar language of llama.cpp's server.

xgrammar turns the regular expression into rules; what is left is a difference of spelling: rule names without
underscores, C escapes that GBNF does not know, and open repetitions.
"""

import re

from opro.constraints import Choice, Regex
from opro.errors import MissingExtraError
from opro.extras import installer, optional

_TOKEN = re.compile(
    r'(?P<literal>"(?:\\.|[^"\\])*")|(?P<set>\[(?:\\.|[^\]\\])*\])|(?P<name>[a-z_]\w*)|(?P<open>\{\d+, -1\})|.',
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_CONTROL = {"0": "\0", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v"}
_ANY = r"[\0-\U0010ffff]"


def gbnf(constraint: Choice | Regex, stop: str = "") -> str:
    """Return a grammar of the texts that the constraint allows, each with `stop` behind it or not.

    Raises:
        ValueError: the pattern uses what decoders do not know, such as look-around, or what translates it is missing.
    """
    end = f" ({_literal(stop)})?" if stop else ""
    if isinstance(constraint, Choice):
        return f"root ::= ({' | '.join(map(_literal, constraint.options))}){end}\n"
    return f"root ::= text{end}\n{_rules(constraint.pattern)}"


def _rules(pattern: str) -> str:
    """Return the rules of a regular expression, of which the first is `text`."""
    try:  # it takes seconds to import, and only this server needs it
        grammar = optional("xgrammar", "local", "a pattern at llama.cpp's server").Grammar
    except MissingExtraError as error:
        raise ValueError(f"that needs xgrammar: {installer('local')}") from error
    try:
        rules = str(grammar.from_regex(pattern))
    except RuntimeError as error:
        reason = str(error).strip().partition("Regex parsing error ")[2] or error
        raise ValueError(f"no grammar for {pattern!r}: {reason}") from error
    return _TOKEN.sub(_spelled, rules)


def _spelled(token: re.Match[str]) -> str:
    """Return one token of xgrammar's rules as llama.cpp writes it."""
    text = token.group()
    if token["name"]:
        return text.replace("root", "text", 1).replace("_", "-")
    if token["open"]:
        return text.replace(", -1", ",")
    if text == _ANY:  # `.` of a regular expression; Python's matches no line end
        return r"[^\n]"
    return _ESCAPE.sub(_escape, text) if token["literal"] or token["set"] else text


def _escape(match: re.Match[str]) -> str:
    """Return an escape that GBNF knows."""
    code = match[1]
    if len(code) > 1 or code in 'nrt"\\[]':
        return match.group()
    return f"\\x{ord(_CONTROL.get(code, code)):02x}"


def _literal(text: str) -> str:
    """Return the text in quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\x{ord(match.group()):02x}", escaped) + '"'
