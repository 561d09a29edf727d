"""Proposers: where new candidates come from, one a file."""

from collections.abc import Mapping

PROPOSERS: Mapping[str, str] = {
    "none": "opro.proposers.nothing:Nothing",
    "list": "opro.proposers.listed:Agenda",
    "opro": "opro.proposers.opro:Opro",
    "random": "opro.proposers.random_search:RandomSearch",
    "evolution": "opro.proposers.evolution:Evolution",
    "controller": "opro.proposers.controller:Controller [equations]",
    "surrogate": "opro.proposers.surrogate:Surrogate",
}
