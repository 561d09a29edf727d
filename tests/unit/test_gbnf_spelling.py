"""How constraints are spelled for llama.cpp; tests/conformance/test_gbnf.py asks llama.cpp itself."""

import pytest

from opro.constraints import Choice, Regex
from scorer_models.gbnf import gbnf


def test_a_choice_is_a_rule_of_quoted_texts() -> None:
    assert gbnf(Choice(("a", 'b"\\\n'))) == 'root ::= ("a" | "b\\"\\\\\\x0a")\n'


def test_a_pattern_keeps_its_rules_under_names_that_llama_cpp_reads() -> None:
    lines = gbnf(Regex(r"root_1-?\d{2,}")).splitlines()
    assert lines[0] == "root ::= text"
    assert lines[1].startswith("text ::= ")
    assert '"r" "o" "o" "t" "_" "1"' in lines[1]
    assert "{2,}" in lines[1]
    assert not any("_" in line.partition("::=")[0] for line in lines)


def test_the_stop_may_follow() -> None:
    assert gbnf(Regex("a"), "\n").startswith('root ::= text ("\\x0a")?\n')


def test_only_escapes_that_llama_cpp_reads_are_left() -> None:
    rules = gbnf(Regex(r"[\f\-']\v\?\x1b\t"))
    assert "[\\x0c" in rules
    assert '"\\x0b" "\\x3f" "\\x1b" "\\t"' in rules


@pytest.mark.parametrize("pattern", ["(?=a)a", r"\bword"])
def test_a_pattern_that_no_decoder_knows_is_a_wrong_value(pattern: str) -> None:
    with pytest.raises(ValueError, match="no grammar for"):
        gbnf(Regex(pattern))
