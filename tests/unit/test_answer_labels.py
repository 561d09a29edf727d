"""Labels as answers: the classes of the user's own data, as models write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from evaluators.answer_labels import LabelsKind
from evaluators.answers import extract, is_right, kind_of
from evaluators.class_scores import macro_f1
from evaluators.task_types import Example
from opro.errors import ConfigError

MOODS = ("negative", "neutral", "positive")
SCALE = ("negative", "positive", "very negative", "very positive")
WORD = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
LABEL = st.lists(WORD, min_size=1, max_size=3).map(" ".join)


def read(reply: str, labels: tuple[str, ...], *, complete: bool = True) -> str | None:
    return extract(reply, LabelsKind(labels), Example.of("q", labels[0]), complete=complete).value


def kind(labels: list[str]) -> LabelsKind | None:
    try:
        return LabelsKind(tuple(labels))
    except ConfigError:
        return None


@given(st.lists(LABEL, min_size=2, max_size=6), st.text(max_size=300))
def test_no_reply_and_no_labels_make_the_reader_fail(labels: list[str], reply: str) -> None:
    made = kind(labels)
    if made is not None:
        for complete in (True, False):
            found = extract(f"{labels[0]} {reply}", made, Example.of("q", labels[0]), complete=complete).value
            assert found is None or found in labels


@given(st.lists(LABEL, min_size=2, max_size=6), st.data())
def test_a_reply_that_is_a_label_is_read_as_that_label(labels: list[str], data: st.DataObject) -> None:
    made = kind(labels)
    if made is not None:
        label = data.draw(st.sampled_from(labels))
        dressed = data.draw(st.sampled_from(("{}", " {}\n", "\n\n{}")))
        example = Example.of("q", label)
        assert made.gold(example) == label
        assert is_right(extract(dressed.format(label), made, example), example)


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("Positive", "positive"),
        ("**Positive.**", "positive"),
        ("POSITIVE!", "positive"),
        ("Sentiment: positive", "positive"),
        ("The sentiment of this review is positive.", "positive"),
        ("Positive. Although the plot has a negative side.", "positive"),
        ("Negative, because nothing positive happens.", "negative"),
        ("It is not positive but negative.", "negative"),
        ("The answer is neutral, rather than positive.", "neutral"),
        ('{"label": "negative"}', "negative"),
        ("Let me see.\nThe tone is neither warm nor cold.\nAnswer: neutral", "neutral"),
        ("It is positive or negative.", None),
        ("It is not positive.", None),
        ("I cannot tell.", None),
        ("Positively surprising!", None),
        ("", None),
    ],
)
def test_a_label_is_read_from_a_sentence(reply: str, label: str | None) -> None:
    assert read(reply, MOODS) == label


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("very positive", "very positive"),
        ("Very-Positive", "very positive"),
        ("positive", "positive"),
        ("The review is very negative.", "very negative"),
        ("It is very good, so positive.", "positive"),
    ],
)
def test_a_label_is_not_found_in_one_that_contains_it(reply: str, label: str) -> None:
    assert read(reply, SCALE) == label


def test_labels_with_signs_blanks_and_case_are_told_apart() -> None:
    assert read("I would say C++.", ("C", "C++", "C#")) == "C++"
    assert read("C", ("C", "C++", "C#")) == "C"
    assert read("account access", ("Account_Access", "Billing/Payment")) == "Account_Access"
    assert read("This is about billing / payment.", ("Account_Access", "Billing/Payment")) == "Billing/Payment"
    assert read("+", ("+", "-")) == "+"


def test_a_short_or_common_word_is_a_label_only_where_it_stands_as_an_answer() -> None:
    assert read("There is no doubt that it is maybe so. The answer is yes.", ("yes", "no", "maybe")) == "yes"
    assert read("No.", ("yes", "no", "maybe")) == "no"
    assert read("There is no doubt.", ("yes", "no", "maybe")) is None
    assert read("It has 12 pages.\n2", ("1", "2", "3")) == "2"


def test_denying_one_of_two_labels_says_the_other() -> None:
    assert read("This is not spam.", ("ham", "spam")) == "ham"
    assert read("This is not spam.", ("not spam", "spam")) == "not spam"


def test_a_reply_that_was_cut_off_is_read_where_it_begins_with_its_label() -> None:
    assert read("Positive. The reviewer likes the", MOODS, complete=False) == "positive"
    assert read("While the first half is positive, the", MOODS, complete=False) is None


def test_the_labels_are_those_of_the_data_in_their_most_frequent_spelling() -> None:
    made = kind_of("labels", ("Spam", "ham", "spam", "Spam ", "HAM", "ham"))
    assert made == LabelsKind(("Spam", "ham"))
    assert made.gold(Example.of("q", "spam")) == "Spam"


@pytest.mark.parametrize("labels", [("one",), ("Spam", "spam"), ("x", " ")])
def test_labels_that_cannot_be_told_apart_are_an_error(labels: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="labels"):
        kind_of("labels", (), labels)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["a", "b", "c", "d", None])), min_size=1))
def test_macro_f1_is_that_of_scikit_learn(pairs: list[tuple[str, str | None]]) -> None:
    golds, answers = [gold for gold, _ in pairs], [answer for _, answer in pairs]
    theirs = f1_score(
        golds, [one or "" for one in answers], labels=sorted(set(golds)), average="macro", zero_division=0
    )
    assert macro_f1(golds, answers) == pytest.approx(theirs)
