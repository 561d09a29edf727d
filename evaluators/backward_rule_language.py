"""What backward rules are written in, in the spirit of Backprop Evolution (arXiv 1808.02822).

A rule says which error b_i the units of a hidden layer i are given: h_i = relu(z_i), z_i = W_i h_(i-1) going forward;
dJ/dW_i = b_i h_(i-1)^T stays as it is. As in the paper (as far as its text is known to us; it has no public code): the
errors b of the layer above and e of the output, the weights W of the layer above, random matrices R (Gaussian) and S
(of signs) of the shape of W and D from the output directly to this layer, z, h and the z of the layer above; sums,
products, quotients, extremes, matrix products, signs, roots, clips, norms. Ours: the names, `step` for the derivative
of ReLU (the paper has x > 0), `norm` for the Frobenius norm alone, numbers; and no noise, dropout or batch norms.
"""

from evaluators.equation_space import EquationSpace
from evaluators.expression_grammar import Grammar, Production, elementwise, kind_of, leaves
from evaluators.expressions import Language

HERE, ABOVE, OUTPUT = ("batch", "here"), ("batch", "next"), ("batch", "classes")
WEIGHTS, DIRECT = ("next", "here"), ("classes", "here")

UNARY = ("neg", "abs", "sign", "sqrt", "step", "norm", "clip")
BINARY = ("+", "-", "*", "/", "max", "min")

LANGUAGE = Language(
    operands={
        "b": ABOVE,
        "e": OUTPUT,
        "z": HERE,
        "h": HERE,
        "za": ABOVE,
        "W": WEIGHTS,
        "R": WEIGHTS,
        "S": WEIGHTS,
        "D": DIRECT,
    },
    functions=frozenset((*UNARY, *BINARY, "@", "^", "exp", "log", "transpose")),
    result=HERE,
    spellings={"sgn": "sign", "T": "transpose", "w": "W"},
)


def _products() -> tuple[Production, ...]:
    return tuple(
        Production("@", (kind_of(left), kind_of(right))) for left, right in ((ABOVE, WEIGHTS), (OUTPUT, DIRECT))
    )


GRAMMAR = Grammar(
    LANGUAGE,
    {
        kind_of(HERE): (
            *leaves("z", "h", "1", "2", "0.1"),
            *_products(),
            *elementwise(kind_of(HERE), UNARY, BINARY),
        ),
        kind_of(ABOVE): (*leaves("b", "za"), *elementwise(kind_of(ABOVE), UNARY, BINARY)),
        kind_of(OUTPUT): (*leaves("e"), *elementwise(kind_of(OUTPUT), UNARY, ())),
        kind_of(WEIGHTS): (*leaves("W", "R", "S"), *elementwise(kind_of(WEIGHTS), UNARY, ("+", "*"))),
        kind_of(DIRECT): (*leaves("D"), *elementwise(kind_of(DIRECT), UNARY, ())),
        "clip": leaves("0.0001", "0.01", "1"),
    },
    root=kind_of(HERE),
)

SPACE = EquationSpace(GRAMMAR, frozenset({"b", "e"}), "constant: it does not depend on the error", "rule")

SYMBOLS = {
    "b": "b_{i+1}",
    "e": "b_L",
    "z": "z_i",
    "h": "h_i",
    "za": "z_{i+1}",
    "W": "W_{i+1}",
    "R": "R_{i+1}",
    "S": "S_{i+1}",
    "D": "D_i",
}

RULES = {
    "backpropagation": "(b @ W) * step(z)",
    "feedback alignment": "(b @ R) * step(z)",
    "direct feedback alignment": "(e @ D) * step(z)",
    "sign symmetry": "(b @ sign(W)) * step(z)",
}
"""Rumelhart et al. (1986), Lillicrap et al. (2016), Nokland (2016), Liao et al. (2016)."""
