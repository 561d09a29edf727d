"""vLLM's own counters of prompt tokens, of a server or of the engine in this process."""

import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Counters:
    """What vLLM has counted so far; every sample of a request counts as a prompt of its own."""

    computed: int
    cached: int
    queried: int
    hit: int
    requests: int

    def since(self, before: "Counters") -> "Counters":
        """Return what was counted since then."""
        return Counters(
            self.computed - before.computed,
            self.cached - before.cached,
            self.queried - before.queried,
            self.hit - before.hit,
            self.requests - before.requests,
        )


def served(url: str) -> Counters:
    """Return the counters of the server with the base URL `url`."""
    from prometheus_client.parser import text_string_to_metric_families  # comes with vLLM

    with urllib.request.urlopen(url.removesuffix("/v1") + "/metrics") as answer:
        return _counters(text_string_to_metric_families(answer.read().decode()))


def in_process() -> Counters:
    """Return the counters of the engine that this process runs."""
    from prometheus_client import REGISTRY

    return _counters(REGISTRY.collect())


def _counters(families: Iterable[Any]) -> Counters:
    samples = [sample for family in families for sample in family.samples]

    def total(name: str, **labels: str) -> int:
        found = [s.value for s in samples if s.name == f"vllm:{name}" and labels.items() <= s.labels.items()]
        assert found, f"vLLM has no counter {name}"
        return int(sum(found))

    return Counters(
        total("prompt_tokens_by_source_total", source="local_compute"),
        total("prompt_tokens_cached_total"),
        total("prefix_cache_queries_total"),
        total("prefix_cache_hits_total"),
        total("request_success_total"),
    )
