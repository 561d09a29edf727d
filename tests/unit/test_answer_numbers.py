"""Numbers in responses are read whole, exactly and with their sign, in digits of any script and in words."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.answer_numbers import NumberKind, canonical
from evaluators.answer_words import word_mentions
from evaluators.answers import extract, is_right, readable
from evaluators.task_types import Example

NUMBER = NumberKind()
UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def read(response: str) -> str | None:
    return extract(response, NUMBER, Example.of("q", "1")).value


def right(response: str, gold: str) -> bool:
    example = Example.of("q", gold)
    return is_right(extract(response, NUMBER, example), example)


def in_words(number: int) -> str:
    """Write 0 to 999,999 in English, apart from the reader's own tables."""
    if number >= 1000:
        rest = f" {in_words(number % 1000)}" if number % 1000 else ""
        return f"{in_words(number // 1000)} thousand{rest}"
    if number >= 100:
        rest = f" and {in_words(number % 100)}" if number % 100 else ""
        return f"{UNITS[number // 100]} hundred{rest}"
    if number >= 20:
        return TENS[number // 10 - 2] + (f"-{UNITS[number % 10]}" if number % 10 else "")
    return UNITS[number]


@pytest.mark.parametrize(
    ("word", "value"),
    [("sixteen", "16"), ("seventeen", "17"), ("seventy", "70"), ("fourteen", "14"), ("forty-two", "42")],
)
def test_a_number_word_is_not_read_in_part(word: str, value: str) -> None:
    assert read(f"The answer is {word}.") == read(word) == value


@pytest.mark.parametrize(
    ("response", "value"),
    [
        ("18 dollars per 2 days", "18"),
        ("The answer is 18 dollars per 2 days.", "18"),
        ("5 out of 20 are", "5"),
        ("The answer is $1,234.50.", "1234.5"),
        ("The answer is 12.", "12"),
        ("12.5 km", "12.5"),
        ("#### 1,450,000", "1450000"),
        ("The answer is -7.", "-7"),
        ("it is \u22127 degrees", "-7"),
        ("-$5.5", "-5.5"),
        ("$-5$", "-5"),
        ("minus five", "-5"),
        ("10 -5", None),
        ("The answer is 3/4.", "0.75"),
        ("$\\frac{3}{4}$", "0.75"),
        ("2 1/2 cups", "2.5"),
        ("2½ cups", "2.5"),
        ("one third", None),
        ("two and a half", "2.5"),
        ("25%", "25"),
        ("\\boxed{-12}", "-12"),
        ("The final answer is $\\boxed{1{,}234}$.", "1234"),
        ("The answer is 1.5e3", "1500"),
        ("Answer: 1.2 \\times 10^{6}", "1200000"),
        ("The answer is:\n\n**$80k**", "80000"),
        ("£5 million", "5000000"),
        ("The answer is ١٢", "12"),
        ("The answer is 1\u202f234\u202f567", "1234567"),
        ("1.234,50", "1234.5"),
        ("The answer is 16-3-4=9.", "9"),
        ("The answer is 5 apples * 2 = 10 apples", "10"),
        ("The total cost is $5 + $7 = $12.", "12"),
        ("(3 * -3 * 6 + -5) = -59", "-59"),
        ("The answer is not 5 but 6", "6"),
        ("18 is the answer.", "18"),
        ('The answer to the question "how many?" is 5', "5"),
        ("Step 3: we get 7", "7"),
        ("She makes 18 dollars every day (9 eggs * 2 dollars per egg).", "18"),
        ("It took 3 + 15 = 18 minutes to walk 2 miles.", "18"),
        ("16 - 3 = thirteen eggs", "13"),
        ("There are twelve.", "12"),
        ("\u7b54\u6848\u662f18", "18"),
    ],
)
def test_a_number_is_read_with_its_sign_separators_fraction_and_scale(response: str, value: str | None) -> None:
    assert read(response) == value


@pytest.mark.parametrize(
    "response",
    ["10:30", "The answer is 3-4", "1,2", "12,5", "2020-01-05", "1/2/2020", "the 1st", "the 20-year-old",
     "GPT-4 and x2", "2^10", "5²", "one of them", "no one", "twenty-first",
     "two three", "twenty twelve", "The answer is not 5.", "1" * 500],
)  # fmt: skip
def test_what_only_looks_like_a_number_is_not_read(response: str) -> None:
    assert read(response) is None


@pytest.mark.parametrize(
    ("response", "gold"),
    [
        ("12.5", "12"),
        ("12", "12.5"),
        ("33.3", "33.33"),
        ("0.25", "25"),
        ("7", "70"),
        ("0.3", "1/3"),
        ("12.345", "12.3"),
    ],
)
def test_a_near_number_is_wrong(response: str, gold: str) -> None:
    assert not right(response, gold)


@pytest.mark.parametrize(
    ("response", "gold"),
    [("1234.50", "$1,234.5"), ("33.3333", "33.33"), ("0.333", "1/3"), ("2/3", "0.67"), ("5.0", "5")],
)
def test_the_same_number_is_right_in_another_spelling(response: str, gold: str) -> None:
    assert right(response, gold)


def test_a_gold_answer_without_a_number_cannot_be_read() -> None:
    assert not readable(NUMBER, Example.of("q", "many"))
    assert readable(NUMBER, Example.of("q", "She pays $5 each day.\n#### 5"))


@given(st.integers(-(10**12), 10**12))
def test_every_integer_is_read_back_with_and_without_separators(number: int) -> None:
    for text in (f"{number}", f"{number:,}", f"${number:,}." if number >= 0 else f"-${-number:,}."):
        assert read(text) == read(f"The answer is {text}") == str(number)


@given(st.decimals(-(10**6), 10**6, places=3))
def test_every_decimal_is_read_back(number: object) -> None:
    assert Fraction(read(f"So it costs {number} dollars.") or "nan") == Fraction(str(number))


@given(st.integers(0, 999_999))
def test_every_number_is_read_back_from_words(number: int) -> None:
    assert read(f"There are {in_words(number)}.") == str(number)
    assert [mention.value for mention in word_mentions(in_words(number).title())] == [number]


@given(st.fractions(max_denominator=1000))
def test_the_one_spelling_of_a_number_is_exact(value: Fraction) -> None:
    assert Fraction(canonical(value)) == value
