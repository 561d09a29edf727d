"""Where an instruction stands in the prompt of a question: OPRO, section 5.1, figure 3."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from evaluators.prompt_fields import filled
from opro.types import Message

Position = Literal["before_Q", "Q_begin", "Q_end", "A_begin", "system"]

SLOT = "<INS>"
"""What marks the instruction's place where an exemplar is shown."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a question is put to the scorer model.

    Attributes:
        position: where the instruction stands; "system" makes it the system message of a chat.
        markers: whether "Q:" and "A:" are written.
        chat: whether the prompt is a user's message; else a text to be continued.
        system: a system message for chats, empty for none.
    """

    position: Position = "Q_begin"
    markers: bool = True
    chat: bool = True
    system: str = ""

    @property
    def instruction_first(self) -> bool:
        """Whether prompts under one instruction begin alike; else those of one question do."""
        return self.position in {"before_Q", "Q_begin", "system"}

    def text(self, question: str, instruction: str) -> str:
        """Return the prompt as text; a system message stands before it, under that name."""
        q, a = ("Q: ", "A:") if self.markers else ("", "")
        match self.position:
            case "before_Q":
                parts = [_lines(instruction, q + question), a]
            case "Q_begin":
                parts = [q + _lines(instruction, question), a]
            case "Q_end":
                parts = [q + _lines(question, instruction), a]
            case "A_begin":
                parts = [q + question, f"{a} {instruction}".strip()]
            case "system":
                parts = [f"System: {instruction}" if instruction else "", q + question, a]
        return "\n\n".join(part for part in parts if part)

    def prompt(
        self, question: str, instruction: str, fields: Mapping[str, str] | None = None
    ) -> str | tuple[Message, ...]:
        """Return the prompt as the scorer model is asked; an instruction with fields is all of it."""
        system, text = self.system, filled(instruction, fields) if fields else ""
        if not fields and self.position == "system":
            system, text = instruction, self.text(question, "")
        elif not fields:
            text = self.text(question, instruction)
        if not self.chat:
            return text
        return (*((Message("system", system),) if system else ()), Message("user", text))

    def continued(self, prompt: str | tuple[Message, ...], reply: str, final: str) -> str | tuple[Message, ...]:
        """Return the prompt that asks for the final answer behind a reply."""
        if isinstance(prompt, str):
            return f"{prompt} {reply.strip()}\n{final}"
        return (*prompt, Message("assistant", reply or "..."), Message("user", final))


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
