"""A run for the kill test: `python -m tests.unit.killed_run STORE LOG new|RUN`; it logs what it asks its model."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from opro.config import run_config
from opro.records import request_json, request_key
from opro.types import Request
from opro.workbench import Workbench
from scorer_models.scripted import ScriptedModel

CONFIG = {
    "problem": "linear-regression",
    "set": {"w": 36, "b": -1},
    "steps": 12,
    "per_step": 4,
    "baselines": "never",
    "stop_at_optimum": False,
    "options": {"goals": [0.9, 0.1], "draw": 6, "rounds": 2},
}


async def main(store: str, log: Path, run: str) -> None:
    def reply(request: Request) -> Sequence[str]:
        with log.open("a") as file:
            file.write(f"{request_key(request_json(request))}\n")
        return [f"{(request.seed >> i) % 60}, b={(request.seed >> 2 * i) % 7}" for i in range(request.n)]

    workbench = Workbench(store)
    model = ScriptedModel(reply, delay=0.02)
    if run == "new":
        await workbench.run(run_config(CONFIG), model=model)
    else:
        await workbench.resume(run, model=model)
    workbench.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
