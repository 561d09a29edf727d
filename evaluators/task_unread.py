"""A task of which nothing was read: enough for looking at what was said of it."""

from evaluators.answer_numbers import NumberKind
from evaluators.answer_texts import TextKind
from evaluators.task_subjects import BBH
from evaluators.task_types import Example, Task
from evaluators.tasks import TaskConfig

_NUMBERS = {"gsm8k", "multiarith", *(f"bbh/{name}" for name, kind in BBH.items() if kind == "number")}


def unread_task(config: TaskConfig) -> Task:
    """Return a task with one empty example in each part, and a kind of answer that is right as far as it is a number.

    No file is opened, no hub asked, and no function of the user's imported.
    """
    number = config.kind == "number" or (not config.kind and config.task in _NUMBERS)
    nothing = (Example.of("", ""),)
    return Task(config.task, NumberKind() if number else TextKind(), nothing, nothing)
