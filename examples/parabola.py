"""A problem of your own: find the x that makes -(x - 3)**2 largest. Run it: `python parabola.py`."""

import re

import opro


class Parabola:
    direction = opro.Direction.MAXIMIZE

    def start(self, seed):
        return [opro.Candidate(f"x={x}") for x in (-9, 0, 9)]

    def brief(self):
        constraint = opro.Regex(r"-?[0-9]{1,2}")
        return opro.Brief(task="Numbers x and how good they are.", lead="x=", constraint=constraint, ideal=0)

    def parse(self, text):
        found = re.search(r"x=(-?[0-9]{1,2})", text)
        if not found:
            raise opro.InvalidSolutionError("no x in it")
        return found[0]

    async def evaluate(self, candidates):
        return [opro.Evaluation(-((int(self.parse(c.text)[2:]) - 3) ** 2)) for c in candidates]


if __name__ == "__main__":
    print(opro.optimize(Parabola(), steps=5, per_step=4))
