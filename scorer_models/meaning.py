"""What somebody may have meant who named a model without its kind."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from opro.errors import ConfigError, unknown

_HOSTED = (
    (re.compile(r"(gpt|chatgpt|o[1-9]|text-|codex)[-.\w]*"), "", ""),
    (re.compile(r"claude[-.\w]*"), "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    (re.compile(r"gemini[-.\w]*"), "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    (re.compile(r"(mistral|ministral|codestral|magistral)-[-.\w]*"), "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    (re.compile(r"deepseek-(chat|reasoner)"), "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    (re.compile(r"grok[-.\w]*"), "https://api.x.ai/v1", "XAI_API_KEY"),
)
_NEAR = 0.7  # how alike a mistyped kind is to the right one; the name of a model may be less like any
_MAKERS = {"openai", "anthropic", "google", "gemini", "mistral", "mistralai", "deepseek", "xai", "x-ai"}


def no_kind(spec: str, kinds: Iterable[str]) -> ConfigError:
    """Return the error for a spec that begins with no known kind, with what was probably meant."""
    kind, _, _ = spec.partition(":")
    if not spec.strip():
        return ConfigError("which model? Give KIND:NAME, such as local or openai:NAME; `opro models` lists the kinds")
    maker, slash, name = spec.partition("/")
    hosted = _hosted(name if slash and maker.lower() in _MAKERS else spec)
    if hosted:
        return ConfigError(f"unknown model {spec!r}: did you mean {hosted}? A model is written KIND:NAME")
    if slash:
        return ConfigError(
            f"unknown model {spec!r}: a model is written KIND:NAME. Weights of a hub or folder: 'local:{spec}', or "
            f"'vllm:{spec}' on a GPU; on a server: 'openai:{spec}@URL'"
        )
    known = list(kinds)
    error = unknown("model", kind, known)
    if get_close_matches(kind, known, cutoff=_NEAR):
        return error
    listed = ", ".join(known)
    return ConfigError(
        f"unknown model {spec!r}: a model is written KIND:NAME, the kinds are {listed}; one that a server serves is "
        f"'openai:{spec}@URL'"
    )


def _hosted(name: str) -> str:
    """Return how a hosted model is written, empty where its maker is not known."""
    for pattern, url, key in _HOSTED:
        if pattern.fullmatch(name.lower()):
            return repr(f"openai:{name}{f'@{url}' if url else ''}") + (f" with --model-set key={key}" if key else "")
    return ""
