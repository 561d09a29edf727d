"""A run against a server that fails, for the kill test: `python -m tests.unit.killed_faulty_run STORE URL new|RUN`."""

import asyncio
import sys

from opro import retrying
from opro.config import run_config
from opro.workbench import Workbench

CONFIG = {
    "problem": "linear-regression",
    "set": {"w": 36, "b": -1},
    "steps": 50,
    "baselines": "never",
    "stop_at_optimum": False,
    "timeout": 0.5,
    "deadline": 60,
}


async def main(store: str, url: str, run: str) -> None:
    retrying.FIRST_PAUSE, retrying.LONGEST_PAUSE = 0.01, 0.05
    workbench = Workbench(store)
    if run == "new":
        await workbench.run(run_config({**CONFIG, "model": f"openai:small-1b@{url}"}))
    else:
        await workbench.resume(run)
    workbench.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3]))
