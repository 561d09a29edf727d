"""The wrapper that tries again, where trying again may help."""

import logging
import random

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_before_delay

from opro.errors import RequestError
from opro.protocols import LanguageModel
from opro.types import Generation, Request
from opro.wrapping import Wrapper

_LOG = logging.getLogger("opro")
FIRST_PAUSE = 0.5
"""Seconds of the first pause at most."""
LONGEST_PAUSE = 60.0
"""Seconds of a pause at most, where the server does not ask for more."""
STRANGE = 8
"""Answers in a row that are none: then it is not the weather, but the wrong address or model."""


class RetriedModel(Wrapper):
    """Tries a request again after a failure that may pass, until it is `seconds` old.

    A pause is drawn between zero and a length that doubles from try to try, and begins when the time is over that the
    server asks for, if it does.
    """

    def __init__(self, model: LanguageModel, seconds: float) -> None:
        super().__init__(model)
        self._seconds = seconds

    async def generate(self, request: Request) -> Generation:
        """Return the answer of the first try that succeeds.

        Raises:
            RequestError: the failure is a lasting one, or there was no answer in time; the last try's.
        """
        try:
            return await self._model.generate(request)
        except RequestError as error:
            failed = [error]  # most requests end above, and need none of what follows
        strange = 0

        def may_pass(error: BaseException) -> bool:
            nonlocal strange
            if not isinstance(error, RequestError) or error.lasting:
                return False
            strange = strange + 1 if error.status == 200 else 0
            return strange < STRANGE

        async def next_try() -> Generation:
            if failed:
                raise failed.pop()
            return await self._model.generate(request)

        tries = AsyncRetrying(
            retry=retry_if_exception(may_pass),
            wait=_pause,
            stop=stop_before_delay(self._seconds),
            before_sleep=_tell,
            reraise=True,
        )
        return await tries(next_try)


def _pause(state: RetryCallState) -> float:
    """Return how long to wait before the next try, in seconds."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, RequestError) and error.retry_after else 0.0
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (state.attempt_number - 1))
    return asked + random.uniform(0, longest)


def _tell(state: RetryCallState) -> None:
    """Tell the user of long trouble: a single fault is in the record, and worth a line only to those who ask for it."""
    if state.outcome and state.next_action:
        error, pause = state.outcome.exception(), state.next_action.sleep
        level = logging.WARNING if state.attempt_number >= 4 else logging.INFO
        _LOG.log(level, "try %d failed, the next one follows in %.0f s: %s", state.attempt_number, pause, error)
