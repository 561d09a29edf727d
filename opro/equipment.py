"""From a bare model to the one that a run uses: recorded, retried, paced and metered; and the run's own ledger."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from opro.budget import Budget
from opro.config import RunConfig
from opro.errors import ConfigError
from opro.journal import Journal
from opro.ledger import Cost, Ledger
from opro.metering import MeteredModel, Terms
from opro.pacing import Limits, Pace, PacedModel
from opro.prices import FREE, Price, Rates, price_of, read_prices
from opro.protocols import LanguageModel, Narrow, Served
from opro.reader import Reader
from opro.recording import RecordedModel, any_number
from opro.records import Event, EventKind
from opro.retrying import RetriedModel

_LOG = logging.getLogger("opro")
_GRACE = 10.0  # seconds that a stopped run waits for answers which are paid for
_RUNNING: ContextVar[Journal | None] = ContextVar("running", default=None)


class Equipment:
    """What stands between a run and its models, which may be one model in two roles."""

    def __init__(self, journal: Journal, config: RunConfig, ledger: Ledger) -> None:
        self._journal = journal
        self._config = config
        self._ledger = ledger
        self._prices = read_prices(config.prices)
        self._paces: dict[tuple[str, str], Pace] = {}
        self._recorded: list[RecordedModel] = []
        self._served = False

    def equip(self, model: LanguageModel, role: str) -> LanguageModel:
        """Return the model for a role. A model in this process is neither retried nor paced: it paces itself.

        Raises:
            ConfigError: there is a budget of money, and no price of this model.
        """
        if not isinstance(model, Served):
            metered = MeteredModel(model, Terms(FREE), self._ledger, self._journal, role)
            return self._record(RecordedModel(metered, self._journal, role, _widest(model)))
        self._served = True
        config = self._config
        terms = Terms(priced(model, config, self._prices), config.timeout)
        limits = Limits(config.concurrency, config.requests_per_minute, config.tokens_per_minute, config.deadline)
        pace = self._paces.setdefault(model.served_as, Pace(limits))
        paced = PacedModel(MeteredModel(model, terms, self._ledger, self._journal, role), pace)
        retried = RetriedModel(paced, self._config.deadline)
        return self._record(RecordedModel(retried, self._journal, role, lambda: model.widest))

    def _record(self, model: RecordedModel) -> RecordedModel:
        self._recorded.append(model)
        return model

    async def end(self, *, stopped: bool) -> None:
        """Send nothing more, and let the requests in flight be recorded; a stopped run waits for paid ones, a while."""
        self._ledger.close("the run ends")
        patience = (_GRACE if self._served else 0.0) if stopped else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._ledger.landed()
        for model in self._recorded:
            await model.drain()


def _widest(model: LanguageModel) -> Callable[[], int]:
    """Return what tells how many samples a request to a model in this process may ask for."""
    if isinstance(model, Narrow):
        narrow: Narrow = model
        return lambda: narrow.widest
    return any_number


def check_costs(config: RunConfig, models: Sequence[LanguageModel | None]) -> None:
    """Raise a ConfigError if the prices cannot be read, or are needed for a budget and not there."""
    prices = read_prices(config.prices)
    for model in models:
        if isinstance(model, Served):
            priced(model, config, prices)


def priced(model: Served, config: RunConfig, own: Mapping[str, Rates]) -> Price | None:
    """Return the price of a model; what the user should know of it is told.

    Raises:
        ConfigError: there is a budget of money, and no price of this model.
    """
    name, host = model.served_as
    price = price_of(name, host, own)
    remedy = f'a TOML file with a table ["{name}"] and its input and output in usd per million tokens (`prices`)'
    if price is None and config.caps.usd is not None:
        raise ConfigError(
            f"no price is known of {name!r} at {host}, so a budget in usd cannot be kept: give {remedy}, or cap tokens "
            "instead"
        )
    if price is None:
        _LOG.warning(
            "no price is known of %r at %s: tokens are counted, money is not; to count it give %s", name, host, remedy
        )
    elif price is FREE and (config.caps.usd is not None or own):
        _LOG.warning("%r at %s is taken to cost nothing; if that is wrong, give %s", name, host, remedy)
    return price


def open_ledger(reader: Reader, run: str, budget: Budget) -> Ledger:
    """Return the ledger of a run as its record leaves it.

    Raises:
        ConfigError: money is capped, and what a part of the record cost is not known.
    """
    spent = Cost()
    for part in reader.spending(run):
        spent += Cost(part.tokens, part.usd) + Cost(part.lost_tokens, part.lost_usd)
    if budget.usd is not None and spent.usd is None:
        raise ConfigError(
            f"{run} made requests without a known price: a budget in usd cannot be kept; cap tokens instead"
        )
    steps = sum(step.asking + step.scoring for step in reader.steps(run))
    return Ledger(budget, spent, max(steps, reader.run(run).seconds))  # a session that was killed told no seconds


@contextmanager
def noted(journal: Journal) -> Generator[None]:
    """Enter the warnings that are given on behalf of this run in its record, as notes."""
    handler = _Notes(journal)
    token = _RUNNING.set(journal)
    _LOG.addHandler(handler)
    try:
        yield
    finally:
        _LOG.removeHandler(handler)
        _RUNNING.reset(token)


class _Notes(logging.Handler):
    """Records a warning once, if it comes from a task of the run."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.WARNING)
        self._journal = journal
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if _RUNNING.get() is self._journal and text not in self._told:
            self._told.add(text)
            self._journal.record_event(Event(self._journal.step, "", EventKind.NOTE, text, {}))
