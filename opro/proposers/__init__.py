"""Proposers: where new candidates come from, one a file."""

from collections.abc import Mapping

PROPOSERS: Mapping[str, str] = {
    "none": "opro.proposers.nothing:Nothing",
    "opro": "opro.proposers.opro:Opro",
    "random": "opro.proposers.random_search:RandomSearch",
    "evolution": "opro.proposers.evolution:Evolution",
    "controller": "opro.proposers.controller:Controller",
    "surrogate": "opro.proposers.surrogate:Surrogate",
}
