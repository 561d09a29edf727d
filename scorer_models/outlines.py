"""What is known of a model from its name and its files alone: no server is asked, no hub, and no weights are read."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from opro.types import Style

LARGE = 3e9
"""Parameters from which on a chat model follows instructions better than patterns."""

_SIZE = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)
_BYTES = {"float32": 4}  # of a weight; 2 in all other types
_TEMPLATES = ("chat_template.jinja", "chat_template.json")


def parameters_in(name: str) -> float | None:
    """Return the parameters that a model's name tells: 1.5e9 for "Qwen2.5-1.5B"; None where it tells none."""
    sizes = [float(number) * (1e9 if unit in "bB" else 1e6) for number, unit in _SIZE.findall(name)]
    return max(sizes, default=None)


def style_of_name(name: str, otherwise: Style) -> tuple[Style, str]:
    """Return the style in which a model of this name is asked, and a remark where the name tells nothing."""
    size = parameters_in(name)
    if size is not None:
        return (Style.CONTINUATION if size < LARGE else Style.CHAT), ""
    other = next(style for style in Style if style is not otherwise)
    how = {Style.CHAT: "in a chat", Style.CONTINUATION: "for a continuation"}[otherwise]
    return otherwise, (
        f"{name!r} tells no size: as an optimizer it is taken to be asked {how}; if that is wrong, give "
        f"--option style={other.value}"
    )


def style_of_weights(name: str) -> tuple[Style, str]:
    """Return the style of the default (""), of a directory or of a hub id; and a remark as above."""
    if not name:
        return Style.CONTINUATION, ""
    folder = Path(name)
    if not folder.is_dir():
        return style_of_name(name, Style.CONTINUATION)
    files = [file for file in folder.iterdir() if file.suffix in {".safetensors", ".bin", ".gguf"}]
    config = _json(folder / "config.json")
    weight = _BYTES.get(str(config.get("dtype") or config.get("torch_dtype")), 2)
    chats = "chat_template" in _json(folder / "tokenizer_config.json") or any(
        (folder / file).exists() for file in _TEMPLATES
    )
    large = sum(file.stat().st_size for file in files) / weight >= LARGE
    return (Style.CHAT if large and chats else Style.CONTINUATION), ""


def _json(file: Path) -> Mapping[str, Any]:
    """Return the table in a JSON file, an empty one where there is none."""
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("Mapping[str, Any]", table) if isinstance(table, dict) else {}
