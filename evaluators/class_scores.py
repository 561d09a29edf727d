"""How well classes are told apart, beyond the share of right answers."""

from collections.abc import Sequence


def macro_f1(golds: Sequence[str], answers: Sequence[str | None]) -> float:
    """Return the mean over the classes of the gold answers of F1 = 2 TP / (2 TP + FP + FN).

    A rare class counts as much as a frequent one. An answer of None, or one that is no class of the gold answers, is a
    miss of its example's class.

    Raises:
        ValueError: there are no answers, or not as many as gold answers.
    """
    if not golds:
        raise ValueError("there is nothing to score")
    pairs = list(zip(golds, answers, strict=True))
    shares: list[float] = []
    for label in sorted(set(golds)):
        right = sum(gold == answer == label for gold, answer in pairs)
        wrong = sum((gold == label) != (answer == label) for gold, answer in pairs)
        shares.append(2 * right / (2 * right + wrong))
    return sum(shares) / len(shares)
