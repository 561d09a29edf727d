"""Loading a causal language model and its tokenizer from a directory, a hub id, or the embedded default."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opro.errors import ModelError
from scorer_models import weights

LAYERS = {"full_attention", "sliding_attention"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to run."""

    model: Any
    tokenizer: Any
    ends: frozenset[int]
    window: int
    vocabulary: int
    parameters: int


def location(name: str) -> str:
    """Return the directory or hub id behind a name; the default is fetched when it is not in the cache."""
    return str(weights.ensure()) if name == "" else name


def fingerprint(name: str, dtype: str = "") -> str:
    """Return what identifies the weights, and the type of number in which they are computed with."""
    return f"{_identity(name)} {dtype or usual_dtype()}"


def _identity(name: str) -> str:
    """Return the hash of the default, a digest of a directory's listing, or a hub id and its revision."""
    if name == "":
        return f"{weights.DEFAULT.name} sha256:{weights.DEFAULT.sha256}"
    path = Path(name)
    if not path.is_dir():
        return _hub_revision(name)
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        if file.suffix in {".safetensors", ".bin", ".gguf"}:
            digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        elif file.name == "config.json":
            digest.update(file.read_bytes())
    return f"{path.name} listing:{digest.hexdigest()}"


def _hub_revision(name: str) -> str:
    """Return the hub id, with the commit when it is known."""
    import transformers

    auto: Any = transformers  # its lazy classes are not typed
    try:
        config = auto.AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ModelError(_not_found(name, error)) from error
    commit = getattr(config, "_commit_hash", None)
    return f"{name} commit:{commit}" if commit else name


def _not_found(name: str, error: Exception) -> str:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"no causal language model can be loaded from {name!r}: {first} Name a directory, a hub id, or just `local`"


def load(name: str, dtype: str = "") -> Loaded:
    """Load a model, to be computed with in `dtype` ("float32", ...) or the type that suits the hardware.

    Raises:
        ModelError: there is none, it does not fit, or it is of a kind that this backend cannot run.
    """
    place = location(name)
    _let_threads_sleep()
    import torch
    import transformers

    from scorer_models.tree import ATTENTION

    transformers.logging.disable_progress_bar()
    auto: Any = transformers  # its lazy classes are not typed
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        tokenizer: Any = auto.AutoTokenizer.from_pretrained(place)
        model: Any = auto.AutoModelForCausalLM.from_pretrained(
            place, dtype=dtype or usual_dtype(), attn_implementation=ATTENTION
        )
        model = model.eval().to(device)
    except (OSError, ValueError) as error:
        raise ModelError(_not_found(name, error)) from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ModelError(f"{name or 'the default model'} does not fit into the memory: choose a smaller one") from error
    _check_kind(name, model)
    config = model.config.get_text_config()
    return Loaded(
        model,
        tokenizer,
        _ends(tokenizer, model),
        int(getattr(config, "max_position_embeddings", 0) or 2**31),
        int(model.get_output_embeddings().weight.shape[0]),
        int(model.num_parameters()),
    )


def _check_kind(name: str, model: Any) -> None:
    """Refuse models whose attention the token tree cannot serve."""
    from scorer_models.tree import STRANGE

    config = model.config.get_text_config()
    layers = set(getattr(config, "layer_types", None) or ())
    if not getattr(model, "_supports_attention_backend", False) or not layers <= LAYERS:
        raise ModelError(STRANGE.format(f"{name!r} ({config.model_type})"))


def _ends(tokenizer: Any, model: Any) -> frozenset[int]:
    """Return the ids that end a text."""
    ids: set[int] = set() if tokenizer.eos_token_id is None else {int(tokenizer.eos_token_id)}
    more: int | list[int] | None = getattr(model.generation_config, "eos_token_id", None)
    if more is not None:
        ids.update(more if isinstance(more, list) else [more])
    return frozenset(ids)


def _let_threads_sleep() -> None:
    """Have idle threads of torch sleep; it works only before torch is first imported.

    By default they spin, and then any other program on the machine slows every operation to a time slice of the
    scheduler (measured: ten times, with one other busy program a core).
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def usual_dtype() -> str:
    """Return bfloat16 where the hardware multiplies it, else float16 on a GPU and float32 on a CPU."""
    _let_threads_sleep()
    import torch

    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    able = torch.cpu.get_capabilities()
    return "bfloat16" if able.get("amx_bf16") or able.get("avx512_bf16") else "float32"
