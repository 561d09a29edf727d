import math
from random import Random

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evaluators.expression_algebra import canonical, simplified
from evaluators.expression_grammar import LONGEST
from evaluators.expression_latex import latex
from evaluators.expression_torch import OPERATIONS, UNIFORM, compiled, fingerprint
from evaluators.expressions import FUNCTIONS, MOST_NODES, Language, Node
from evaluators.update_rule_language import GRAMMAR, LANGUAGE, RULES, SYMBOLS
from opro.errors import InvalidSolutionError

MATRICES = Language(
    operands={"b": ("batch", "next"), "W": ("next", "here"), "z": ("batch", "here")},
    functions=frozenset({"*", "+", "@", "^", "-", "transpose", "step", "norm"}),
    result=("batch", "here"),
    spellings={},
)


def points(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    values = {name: torch.randn(64, generator=generator, dtype=torch.float64) for name in LANGUAGE.operands}
    return values | {UNIFORM: torch.rand(64, generator=generator)}


def drawn(seed: int) -> Node:
    return GRAMMAR.draw(Random(seed))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("g", "g"),
        ("  exp(sign(g)*sign(m))*g ", "g * exp(sign(g) * sign(m))"),
        ("g**2", "g ^ 2"),
        ("g*g", "g ^ 2"),
        ("--g", "g"),
        ("1*g + 0", "g"),
        ("g - g", "0"),
        ("g / 1", "g"),
        ("m * g", "g * m"),
        ("2 * (3 * g)", "6 * g"),
        ("-(g - m)", "m - g"),
        ("g + -m", "g - m"),
        ("2 ^ 3 * g", "g * 2 ^ 3"),
        ("-g ^ 2", "-g ^ 2"),
        ("(-2) * g", "-2 * g"),
        ("g ^ -2", "g ^ (-2)"),
        ("g - (m - v)", "g - (m - v)"),
        ("g / (m / v)", "g / (m / v)"),
        ("(g ^ m) ^ v", "(g ^ m) ^ v"),
        ("g ^ m ^ v", "g ^ m ^ v"),
        ("sqrt(abs(g))", "sqrt(g)"),
        ("sign(-g)", "-sign(g)"),
        ("grad \N{MULTIPLICATION SIGN} momentum", "g * m"),
        ("1e-4 * w", "0.0001 * w"),
    ],
)
def test_an_expression_is_read_and_written_in_its_simplest_form(text: str, shown: str):
    assert str(canonical(LANGUAGE, text)) == shown


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the expression is empty"),
        ("g +", "is no expression"),
        ("g m", "is no expression"),
        ("(g", "is no expression"),
        ("g, m", "is no single expression"),
        ("h", "unknown name 'h'; known are g, m, v"),
        ("lambda", "unknown name 'lambda'"),
        ("__import__", "unknown name"),
        ("g.real", "holds '.'"),
        ("g\0", "holds '\\x00'"),
        ("exp", "exp cannot be used so"),
        ("exp(g, m)", "exp takes 1 arguments, not 2"),
        ("exp(*g)", "is no single expression"),
        ("exp(**g)", "exp cannot be used so"),
        ("g(m)", "g cannot be used so"),
        ("clip(g, m)", "the second argument of clip is a number"),
        ("g @ m", "unknown operator @"),
        ("1e999 * g", "1e999 is too long, or beyond 1,000,000"),
        ("9" * 500, "99999999999999999999 is too long"),
        ("g + " * 200 + "g", "has 401 tokens"),
        ("g + " * 100 + "g", "has 201 parts"),
        ("g" * 10_000, "has 10,000 characters"),
        ("(" * 100 + "g" + ")" * 100, "is nested 100 deep"),
        ("-" * 200 + "g", "has 201 parts"),
        ("(" * 10_000 + "g" + ")" * 10_000, "has 20,001 characters"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_reason(text: str, reason: str):
    with pytest.raises(InvalidSolutionError) as raised:
        canonical(LANGUAGE, text)
    assert str(raised.value).startswith(reason)


@settings(deadline=None, max_examples=500)
@given(st.text() | st.text(alphabet="gmvwexpsqrtlog()+-*/^@,.0123456789e \n\0"))
def test_any_text_gives_an_expression_or_the_declared_error(text: str):
    try:
        tree = canonical(LANGUAGE, text)
    except InvalidSolutionError as error:
        assert 5 < len(str(error)) < 200
    else:
        assert canonical(LANGUAGE, str(tree)) == tree


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_drawn_changed_or_crossed_reads_as_itself(seed: int):
    random = Random(seed)
    tree = GRAMMAR.draw(random)
    for made in (tree, GRAMMAR.mutate(tree, random), GRAMMAR.cross(tree, GRAMMAR.draw(random), random)):
        assert canonical(LANGUAGE, str(made)) == made
        assert LANGUAGE.parse(str(made)) == made
        assert simplified(made) == made
        assert sum(1 for _ in made.walk()) <= MOST_NODES
    assert GRAMMAR.mutate(tree, random) != tree


@settings(deadline=None, derandomize=True)  # of 20,000 equations one has a value that all but cancels, past six digits
@given(st.integers(0, 2**32))
@example(6025530)  # an exponent that is a whole number only once it is simplified
def test_simplifying_keeps_the_value(seed: int):
    random = Random(seed)
    tree = GRAMMAR._drawn(GRAMMAR.root, 5, random)
    values = points(seed)
    plain, simple = compiled(tree)(values), compiled(simplified(tree))(values)
    both = torch.stack([plain.expand(64), simple.expand(64)])
    sane = both.isfinite().all(0) & (both.abs() < 1e6).all(0)
    assert torch.allclose(both[0, sane], both[1, sane], rtol=1e-4, atol=1e-4)  # numbers have six digits


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_an_equation_is_written_token_by_token_as_the_grammar_allows(seed: int):
    random, written = Random(seed), list[str]()
    while may := GRAMMAR.follow(written):
        written.append(random.choice(may))
    assert len(written) <= LONGEST
    assert set(written) <= set(GRAMMAR.tokens)
    tree = GRAMMAR.tree(written)
    assert canonical(LANGUAGE, str(tree)) == tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("log(g)", math.log(2)),
        ("sqrt(g)", math.sqrt(2)),
        ("log(g - sqrt(4) * 1 + 4)", math.log(1e-8)),
        ("log(0 * g)", math.log(1e-8)),
        ("m / 0", 3e8),
        ("exp(1000 * m)", math.exp(30)),
        ("g ^ 3", -8.0),
        ("g ^ -1", 1 / (-2 + 1e-8)),
        ("g ^ 0.5", math.sqrt(2)),
        ("g ^ m", 8.0),
        ("clip(m, 0.5)", 0.5),
        ("clip(g, 0.5)", -0.5),
        ("max(g, 1)", 1.0),
        ("min(g, 1)", -2.0),
        ("sign(g)", -1.0),
        ("drop(g, 0.3)", -2.0),
        ("drop(g, 0.5)", 0.0),
    ],
)
def test_domain_errors_are_defined(text: str, value: float):
    given = {name: torch.tensor([number]).double() for name, number in (("g", -2), ("m", 3), (UNIFORM, 0.4))}
    assert compiled(canonical(LANGUAGE, text))(given).item() == pytest.approx(value, rel=1e-5)


def test_every_function_can_be_computed_and_written_as_latex():
    assert set(OPERATIONS) | {"drop"} == set(FUNCTIONS)
    for name, count in FUNCTIONS.items():
        assert latex(Node(name, (Node("g"),) * count), SYMBOLS)


@pytest.mark.parametrize(
    ("one", "other", "different"),
    [
        ("g * (1 + m)", "g + g * m", 1),
        ("exp(g) * exp(m)", "exp(g + m)", 1),
        ("g - g * 1", "0", 1),
        ("(g + m) ^ 2", "g ^ 2 + 2 * g * m + m ^ 2", 1),
        ("1.001 * g", "g", 2),
        ("g", "2 * g", 2),
        ("m", "g", 2),
        ("drop(g, 0.1)", "drop(g, 0.3)", 2),
    ],
)
def test_equations_are_told_apart_up_to_algebra(one: str, other: str, different: int):
    assert len({fingerprint(canonical(LANGUAGE, text), points()) for text in (one, other)}) == different


def test_all_references_are_different_rules():
    prints = {name: fingerprint(canonical(LANGUAGE, text), points()) for name, text in RULES.items()}
    assert len(set(prints.values())) == len(prints)


def test_latex_has_brackets_where_they_are_needed():
    assert latex(canonical(LANGUAGE, "(g + m) * v"), SYMBOLS) == r"\hat{v} \cdot \left(g + \hat{m}\right)"
    assert latex(canonical(LANGUAGE, "(g / m) ^ 2"), SYMBOLS) == r"{\left(\frac{g}{\hat{m}}\right)}^{2}"
    assert latex(canonical(LANGUAGE, "1e-5 * w"), SYMBOLS) == r"1 \cdot 10^{-5} \cdot w"


@pytest.mark.parametrize("text", ["(b @ W) * step(z)", "norm(b @ W)", "z + 1", "(b - b) @ W"])
def test_matrices_that_fit_are_taken(text: str):
    tree = canonical(MATRICES, text)
    assert canonical(MATRICES, str(tree)) == tree


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("b * z", "* does not take batch x next and batch x here"),
        ("W @ b", "@ does not take next x here and batch x next"),
        ("b @ 2", "@ does not take batch x next and number"),
        ("b", "has the shape batch x next; batch x here is needed"),
        ("transpose(z)", "has the shape here x batch"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(text: str, reason: str):
    with pytest.raises(InvalidSolutionError) as raised:
        canonical(MATRICES, text)
    assert str(raised.value).startswith(reason)
