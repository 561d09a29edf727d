"""The problems: one a file, each satisfying `opro.protocols.Problem` and knowing only opro's nouns and doors.

A problem is a class with a frozen pydantic `Config` inside, constructed as `Class(config, seed)`. Listing it here puts
it before the user and under the conformance suite; nothing is imported until it is asked for.
"""

from collections.abc import Mapping

PROBLEMS: Mapping[str, str] = {
    "icl": "evaluators.icl:InContext",
    "icl-flipped": "evaluators.icl_flipped:FlippedLabels",
    "backward-rule": "evaluators.backward_rule:BackwardRule [equations]",
    "linear-regression": "evaluators.linear_regression:LinearRegression",
    "instructions": "evaluators.instructions:Instructions",
    "tsp": "evaluators.tsp:TourLength",
    "update-rule": "evaluators.update_rule:UpdateRule [equations]",
}
