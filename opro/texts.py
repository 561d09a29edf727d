"""Texts for people: how counts are written, and what nobody has checked, such as a model's or a store's texts."""


def printable(text: str) -> str:
    """Return text without anything that a terminal would obey, or that turns the order of letters; line breaks stay."""
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in text)


def counted(count: int, noun: str) -> str:
    """Return a number with what it counts, in the plural where it is not one."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
