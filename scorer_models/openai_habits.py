"""What a server was found not to take. Learned from its own refusals, remembered, and told to the user once."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import cast

from opro.constraints import Constraint
from scorer_models.openai_wire import Refusal

_LOG = logging.getLogger("opro")
_DROPPABLE = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "repeat_penalty",
    "seed",
    "stop",
    "logprobs",
)
_CONSTRAINING = ("structured_outputs", "grammar")
_SO = {
    "seed": "the same seed may give another text",
    "stop": "samples are cut here, after they were paid for in full",
    "temperature": "the server's own temperature holds",
}


class Habits:
    """How one server and model want to be asked. It only ever narrows, so that learning comes to an end."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._dropped: set[str] = set()
        self._renamed = False
        self._hottest: float | None = None
        self._free: set[Constraint] = set()
        self._single = 0  # replies in a row with one choice where more were asked for
        self._silent = False
        self.widest = sys.maxsize
        """How many samples one request may ask for."""
        self.chats_only = False
        """Whether there is no completions endpoint."""

    def shaped(self, body: Mapping[str, object]) -> dict[str, object]:
        """Return the body of a request without what the server refuses."""
        kept = {name: value for name, value in body.items() if name not in self._dropped}
        if self._renamed and "max_tokens" in kept:
            kept["max_completion_tokens"] = kept.pop("max_tokens")
        if self._hottest is not None and "temperature" in kept:
            kept["temperature"] = min(cast(float, kept["temperature"]), self._hottest)
        return kept

    def keeps(self, constraint: Constraint | None) -> bool:
        """Say whether the server did not refuse this constraint so far."""
        return constraint not in self._free

    def counted(self, wanted: int, got: int) -> None:
        """Learn that n is ignored: only one choice came, twice in a row. Once may be a server's bad day."""
        if wanted == 1:
            return
        self._single = self._single + 1 if got == 1 else 0
        if self._single > 1 and self.widest > 1:
            self.widest = 1
            self._tell("returns one sample a request: n samples take n requests, and the prompt is paid for n times")

    def learn(self, refusal: Refusal, sent: Mapping[str, object], constraint: Constraint | None) -> bool:
        """Say whether the same can be asked in another way, and remember which.

        Concurrent requests may all be refused for one reason; those that come later only find it known.
        """
        said = refusal.said
        if "prompt" in sent and self._lacks_completions(refusal):
            return True
        if refusal.status not in {400, 422} or refusal.too_long:
            return False
        name = _blamed(refusal.field("param"), said, sent)
        if name in _CONSTRAINING and constraint is not None:
            return self._free_of(constraint, said)
        return name is not None and self._narrow(name, sent, said)

    def silent(self, max_tokens: int) -> None:
        """Tell that a model ended for its length before it said anything, as those do that think first."""
        if not self._silent:
            self._silent = True
            self._tell(f"used all of {max_tokens} tokens before it wrote a word: a model that thinks first needs more")

    def frees(self, constraint: Constraint, why: str) -> None:
        """Leave a constraint to the parser."""
        if constraint not in self._free:
            self._free.add(constraint)
            self._tell(f"cannot keep a constraint while decoding ({why[:200]}): replies are only checked afterwards")

    def _free_of(self, constraint: Constraint, said: str) -> bool:
        self.frees(constraint, said)
        return True

    def _narrow(self, name: str, sent: Mapping[str, object], said: str) -> bool:
        match name:
            case "n":
                self._limit(cast(int, sent["n"]), said)
            case "max_tokens":
                self._rename()
            case "temperature":
                self._cool(cast(float, sent["temperature"]))
            case _:
                self._drop(name)
        return True

    def _lacks_completions(self, refusal: Refusal) -> bool:
        model = refusal.field("code") == "model_not_found" or "not exist" in refusal.said
        missing = refusal.status in {404, 405} and not model
        if not missing and "v1/chat/completions" not in refusal.said:
            return False
        if not self.chats_only:
            self.chats_only = True
            self._tell("takes chats only: a text to be continued is sent as a user's message")
        return True

    def _limit(self, n: int, said: str) -> None:
        """Learn how many samples are taken: the number in the refusal, or else it is searched for by halves."""
        if n <= self.widest:
            named = [number for number in map(int, re.findall(r"\d+", said)) if 1 <= number < n]
            self.widest = max(named, default=n // 2)
            self._tell(f"refuses {n} samples in one request: asking for {self.widest} at a time")

    def _rename(self) -> None:
        if not self._renamed:
            self._renamed = True
            self._tell("does not take max_tokens: asking with max_completion_tokens")

    def _cool(self, temperature: float) -> None:
        """Learn a limit from the usual ones; a model that refuses those as well takes no temperature at all."""
        lower = next((limit for limit in (2.0, 1.0) if limit < temperature), None)
        if lower is None:
            self._drop("temperature")
        elif self._hottest is None or self._hottest > lower:
            self._hottest = lower
            self._tell(f"refuses the temperature {temperature:g}: asking with {lower:g} at most")

    def _drop(self, name: str) -> None:
        if name not in self._dropped:
            self._dropped.add(name)
            so = f"; {_SO[name]}" if name in _SO else ""
            self._tell(f"does not take {name}: asking without it{so}")

    def _tell(self, what: str) -> None:
        _LOG.warning("%s %s", self._who, what)


def _blamed(param: object, said: str, sent: Mapping[str, object]) -> str | None:
    """Return which sent parameter is refused: the one that the error names, or else that its message names."""
    adaptable = [name for name in ("max_tokens", "n", *_DROPPABLE, *_CONSTRAINING) if name in sent]
    if param in adaptable:
        return cast(str, param)
    for name in sorted(adaptable, key=len, reverse=True):
        if re.search(rf"(?<![\w\\]){name}(?!\w)", said):
            return name
    words = re.search(r"grammar|guided|structured|regex", said, re.IGNORECASE)
    return next((name for name in _CONSTRAINING if name in adaptable), None) if words else None
