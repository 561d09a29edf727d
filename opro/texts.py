"""Texts that nobody has checked, such as a model's or a store's, before people see them."""


def printable(text: str) -> str:
    """Return text without anything that a terminal would obey, or that turns the order of letters; line breaks stay."""
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in text)
