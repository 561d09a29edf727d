"""What update rules are written in: the operands and functions of Neural Optimizer Search (arXiv 1709.07417).

From the paper: g, g^2, g^3, the bias-corrected averages m, v and y of these three, their signs, 1, 2, small noise, the
weights times 1e-4 to 1e-1, Adam and RMSProp as operands, and the decays; and the functions below but for `step`, `max`
and `min`. The powers of g, the signs and the scaled weights are written out in our language. Ours: any other number may
be written; and `rd`, the cosine decay with restarts, starts once again, for without a restart it is `cd`.
"""

from evaluators.equation_space import EquationSpace
from evaluators.expression_grammar import Grammar, elementwise, leaves
from evaluators.expressions import Language

TENSOR = "weights"

GRADIENT_OPERANDS = ("g", "m", "v", "y", "adam", "rmsprop")
DECAYS = ("ld", "cd", "rd")
NOISES = ("noise", "annealed")

UNARY = ("neg", "exp", "log", "sqrt", "abs", "sign", "clip", "drop")
BINARY = ("+", "-", "*", "/", "^")

LANGUAGE = Language(
    operands={**dict.fromkeys((*GRADIENT_OPERANDS, "w", *NOISES), (TENSOR,)), **dict.fromkeys(DECAYS, ())},
    functions=frozenset(
        ["+", "-", "*", "/", "^", "neg", "exp", "log", "sqrt", "abs", "sign", "clip", "drop", "max", "min"]
    ),
    result=(TENSOR,),
    spellings={"grad": "g", "gradient": "g", "momentum": "m", "sgn": "sign", "G": "g", "M": "m", "V": "v"},
)

GRAMMAR = Grammar(
    LANGUAGE,
    {
        TENSOR: (
            *leaves(*GRADIENT_OPERANDS, *DECAYS, *NOISES, "w", "1", "2"),
            *elementwise(
                TENSOR, ["neg", "exp", "log", "sqrt", "abs", "sign", "clip", "drop"], ["+", "-", "*", "/", "^"]
            ),
        ),
        "clip": leaves("1e-05", "0.0001", "0.001"),
        "drop": leaves("0.1", "0.3", "0.5"),
    },
    root=TENSOR,
)

SPACE = EquationSpace(GRAMMAR, frozenset(GRADIENT_OPERANDS), "constant: it does not depend on the gradient", "rule")

SYMBOLS = {
    "g": "g",
    "w": "w",
    "m": r"\hat{m}",
    "v": r"\hat{v}",
    "y": r"\hat{\gamma}",
    "adam": r"\mathrm{Adam}",
    "rmsprop": r"\mathrm{RMSProp}",
    "ld": r"f_{\mathrm{linear}}",
    "cd": r"f_{\mathrm{cosine}}",
    "rd": r"f_{\mathrm{restart}}",
    "noise": r"\varepsilon",
    "annealed": r"\varepsilon_t",
}

RULES = {
    "SGD": "g",
    "momentum": "m",
    "Adam": "m / sqrt(v)",
    "RMSProp": "rmsprop",
    "PowerSign": "g * exp(sign(g) * sign(m))",
    "PowerSign, linear decay": "g * exp(ld * sign(g) * sign(m))",
    "PowerSign, cosine decay": "g * exp(cd * sign(g) * sign(m))",
    "AddSign": "g * (1 + sign(g) * sign(m))",
    "AddSign, linear decay": "g * (1 + ld * sign(g) * sign(m))",
    "SGD, linear decay": "g * ld",
    "SGD, cosine decay": "g * cd",
    "SGD, decay of PowerSign's size": "g * exp(ld - 1)",
}
"""The rules to compare with. Of a decayed rule's gain the learning rate's decay is the greater part: so SGD has it too.
"""
