"""vLLM's engine: starting it, and from requests to its terms and back."""

import asyncio
import functools
import importlib
import logging
import os
import random
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xgrammar

from opro.constraints import Choice, Constraint, Permutation, Regex, Weighed
from opro.errors import ContextError, ModelError
from opro.extras import require
from opro.types import Generation, Request, Sample, Usage
from scorer_models.decoding import alternatives, without_dots
from scorer_models.vllm_permutation import KEY, visits
from scorer_models.weighing import Scale, options_of

if TYPE_CHECKING:
    from scorer_models.vllm import Config

HOTTEST = 2.0  # vLLM refuses higher temperatures
# Without a GPU. vLLM's blocks of 128 tokens would let most of a short prompt be computed again for every sample; and it
# dies of a seeded request whose prompt is read in several parts ("CPU Generator does not use offset", vLLM 0.32).
ON_CPU: Mapping[str, Any] = {"block_size": 32, "enable_chunked_prefill": False}
PATIENCE = 30.0  # seconds for vLLM's processes to end by themselves
ENVIRONMENT = {
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # the standard output belongs to the command
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # forking a process that has threads may hang it
}
NO_START = (
    "vLLM could not start with {name!r} ({reason}); its own messages above tell more. If memory is lacking: lower "
    "gpu_memory_utilization (the share of the memory that vLLM may take), lower max_model_len, or take a smaller model"
)
DIED = (
    "vLLM's engine has stopped; its own messages above tell why. If memory ran out: lower gpu_memory_utilization or "
    "max_model_len, or take a smaller model"
)

_LOG = logging.getLogger("opro")


class Engine:
    """A running vLLM; used in the event loop in which it was started."""

    def __init__(self, llm: Any, tokenizer: Any) -> None:
        self._llm = llm
        self._tokenizer = tokenizer
        self._window: int = llm.model_config.max_model_len
        self._told: set[object] = set()

    @classmethod
    def start(cls, name: str, place: str, config: "Config") -> "Engine":
        """Start vLLM on the model in `place`, which the user knows as `name`; this takes half a minute or more.

        Raises:
            MissingExtraError: vLLM is not installed.
            ModelError: it does not start.
        """
        require("vllm", "the model 'vllm'")
        for variable, value in ENVIRONMENT.items():
            os.environ.setdefault(variable, value)
        try:
            importlib.import_module("vllm")
        except ModuleNotFoundError as error:
            raise ModelError(f"vLLM cannot be imported: {error}") from error
        try:
            return cls(_llm(place, config), _tokenizer(place))
        except (OSError, ValueError, RuntimeError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(NO_START.format(name=name or "the default model", reason=reason[:300])) from error

    def close(self) -> None:
        """End vLLM's processes."""
        self._llm.shutdown(timeout=PATIENCE)

    async def answer(self, request: Request) -> Generation:
        """Return `request.n` samples; when this is cancelled, vLLM drops the request.

        Raises:
            ContextError: the prompt does not fit into the window.
            ModelError: vLLM refuses the request, or has stopped.
        """
        if isinstance(request.constraint, Weighed):
            return await self._weighed(request)
        prompt = self._prompt(request)
        spelled = self._spelled(request.constraint)
        params = self._params(request, spelled)
        cached, outputs = await self._run(prompt, params)
        samples = tuple(_sample(output, request.constraint, spelled) for output in outputs)
        usage = Usage(len(prompt), sum(len(output.token_ids) for output in outputs), cached)
        return Generation(samples * (request.n // len(samples)), usage)

    async def _weighed(self, request: Request) -> Generation:
        """Return the options with their log-probabilities; the prompt is read once and found in the cache then."""
        wholes = [self._tokenize(request, option) for option in options_of(request)]
        scale = Scale.of(self._prompt(request), wholes)
        self._fitting([*scale.prompt, *max(scale.options, key=len)][:-1])  # the last token is looked up, and not read
        first, *others = scale.questions
        told = {first: await self._looked_up(scale, first)}
        answers = await asyncio.gather(*(self._looked_up(scale, prefix) for prefix in others))
        told |= dict(zip(others, answers, strict=True))
        read = len(scale.prompt) + sum(map(len, others))
        return Generation(scale.samples(request, told), Usage(read, len(told)))

    async def _looked_up(self, scale: Scale, prefix: tuple[int, ...]) -> Mapping[int, float]:
        """Return the log-probabilities of the tokens that are wanted after a beginning of the options."""
        vllm: Any = importlib.import_module("vllm")
        wanted = scale.questions[prefix]
        params = vllm.SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=wanted)
        _, outputs = await self._run([*scale.prompt, *prefix], params)
        return {token: outputs[0].logprobs[0][token].logprob for token in wanted}

    async def _run(self, prompt: list[int], params: Any) -> tuple[int, Sequence[Any]]:
        """Let vLLM work on a prompt; see `_outputs`."""
        errors: Any = importlib.import_module("vllm.v1.engine.exceptions")
        try:
            return await self._outputs(prompt, params)
        except errors.EngineDeadError as error:
            raise ModelError(DIED) from error
        except (errors.EngineGenerateError, ValueError, _validation_error()) as error:
            raise ModelError(f"vLLM could not answer the request: {error.__cause__ or error}") from error

    async def _outputs(self, prompt: list[int], params: Any) -> tuple[int, Sequence[Any]]:
        """Return how many of the prompt's tokens were known before, and vLLM's output for each sample in order.

        All but the first of n samples find the prompt in the cache; what was known before the request, the first tells,
        and vLLM reports only that which comes with an output. So it is asked for outputs when the first tokens are
        there, and when samples are complete.
        """
        inputs: Any = importlib.import_module("vllm.inputs")
        cached: int | None = None
        outputs: dict[int, Any] = {}
        async for update in self._llm.generate(inputs.tokens_input(prompt), params, uuid.uuid4().hex):
            cached = update.num_cached_tokens if cached is None else cached
            outputs.update((output.index, output) for output in update.outputs)
        return cached or 0, [outputs[index] for index in sorted(outputs)]

    def _prompt(self, request: Request) -> list[int]:
        """Return the prompt's tokens."""
        return self._fitting(self._tokenize(request))

    def _fitting(self, tokens: list[int]) -> list[int]:
        """Return tokens that leave room for one more; too many are a ContextError."""
        excess = len(tokens) + 1 - self._window
        if excess > 0:
            raise ContextError(
                f"the prompt has {len(tokens)} tokens, {excess} more than the model's window of {self._window} leaves "
                f"room for: show fewer trials or exemplars, or raise max_model_len",
                excess=excess,
            )
        return tokens

    def _tokenize(self, request: Request, answer: str = "") -> list[int]:
        """Return the tokens of a prompt, and of an answer's beginning behind it."""
        tokenizer = self._tokenizer
        if isinstance(request.prompt, str):
            ids: list[int] = tokenizer(request.prompt + answer).input_ids
            start = [i for i in (tokenizer.bos_token_id, tokenizer.eos_token_id) if i is not None]
            return ids or start[:1]  # an empty prompt is continued from the token that begins a text
        if not tokenizer.chat_template:
            raise ModelError("this model has no chat template: ask it in the continuation style")
        turns = [{"role": message.role, "content": message.content} for message in request.prompt]
        text: str = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        return tokenizer(text + answer, add_special_tokens=False).input_ids

    def _spelled(self, constraint: Constraint | None) -> list[list[int]]:
        """Return the tokens of a permutation's items; nothing for other constraints."""
        if not isinstance(constraint, Permutation):
            return []
        texts = [constraint.separator + item for item in constraint.items]
        spelled = [self._tokenizer.encode(text, add_special_tokens=False) for text in texts]
        visits(spelled)  # items that cannot be told apart are an error of this request alone
        return spelled

    def _params(self, request: Request, spelled: list[list[int]]) -> Any:
        """Return the request in vLLM's terms."""
        vllm: Any = importlib.import_module("vllm")
        kinds: Any = importlib.import_module("vllm.sampling_params")
        # a permutation has as many tokens in whatever order, and so it ends without a token for the end
        length = min(request.max_tokens, sum(map(len, spelled)) or request.max_tokens)
        grammar = self._grammar(request)
        return vllm.SamplingParams(
            n=request.n if request.temperature > 0 else 1,  # vLLM refuses more; they would all be the same
            seed=_seed(request) if request.temperature > 0 else None,
            temperature=self._temperature(request.temperature),
            top_p=request.top_p,
            top_k=request.top_k,
            min_p=request.min_p,
            stop=list(request.stop),
            max_tokens=length,
            structured_outputs=kinds.StructuredOutputsParams(grammar=grammar) if grammar else None,
            extra_args={KEY: spelled} if spelled else None,
            output_kind=kinds.RequestOutputKind.CUMULATIVE,
            stream_interval=length,
        )

    def _temperature(self, asked: float) -> float:
        if asked > HOTTEST:
            self._tell("temperature", f"takes temperatures up to {HOTTEST:g}: asking for that instead of more")
        return min(asked, HOTTEST)

    def _grammar(self, request: Request) -> str | None:
        """Return the grammar of a choice or pattern, None where there is none or it cannot be kept."""
        constraint = request.constraint
        if not isinstance(constraint, Choice | Regex):
            return None
        try:
            return grammar(constraint, request.stop)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0][:200]
            self._tell(constraint, f"cannot keep {constraint} ({reason}): replies are only checked afterwards")
            return None

    def _tell(self, what: object, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            _LOG.warning("vLLM %s", text)


@functools.lru_cache(64)
def grammar(constraint: Choice | Regex, stop: tuple[str, ...]) -> str:
    """Return what the constraint allows, with or without a stop string behind it, as EBNF.

    Raises:
        RuntimeError: the decoder does not know the pattern's syntax.
    """
    if isinstance(constraint, Regex):
        rules = xgrammar.Grammar.from_regex(without_dots(constraint.pattern))
    else:
        rules = xgrammar.Grammar.from_ebnf(alternatives(constraint.options))
    if stop:
        rules = xgrammar.Grammar.concat(rules, xgrammar.Grammar.from_ebnf(alternatives(("", *stop))))
    return str(rules)


def _seed(request: Request) -> int:
    """Return the seed of the first sample; vLLM counts up from it, so near seeds must not lie near each other."""
    return random.Random(str(request.seed)).getrandbits(31) + request.first


def _sample(output: Any, constraint: Constraint | None, spelled: list[list[int]]) -> Sample:
    complete = output.finish_reason == "stop"
    if isinstance(constraint, Permutation):
        walk = visits(spelled)
        for token in output.token_ids:
            if not complete:
                walk.push(token)
        if walk.finished:
            return Sample("".join(constraint.separator + constraint.items[i] for i in walk.order))
    return Sample(output.text, complete)


def _llm(place: str, config: "Config") -> Any:
    """Start the engine's process and wait for it."""
    arguments: Any = importlib.import_module("vllm.engine.arg_utils")
    platforms: Any = importlib.import_module("vllm.platforms")
    engines: Any = importlib.import_module("vllm.v1.engine.async_llm")
    given = arguments.AsyncEngineArgs(
        model=place,
        enable_prefix_caching=True,
        structured_outputs_config={"backend": "xgrammar"},  # `auto` takes the first request's for all that follow
        disable_log_stats=True,
        **config.model_dump(exclude_none=True),
        **(ON_CPU if platforms.current_platform.is_cpu() else {}),
    )
    usage: Any = importlib.import_module("vllm.usage.usage_lib")
    engine = given.create_engine_config(
        usage.UsageContext.LLM_CLASS
    )  # batches for throughput, as `vllm.LLM` makes them
    runner = 2 if getattr(engine, "use_v2_model_runner", False) else 1
    engine.model_config.logits_processors = [f"scorer_models.vllm_runner_v{runner}:Permutations"]
    return engines.AsyncLLM.from_vllm_config(engine, disable_log_stats=True)


def _tokenizer(place: str) -> Any:
    transformers: Any = importlib.import_module("transformers")
    return transformers.AutoTokenizer.from_pretrained(place)


def _validation_error() -> Any:
    """Return vLLM's error for a request that it refuses; older ones raise ValueError alone."""
    exceptions: Any = importlib.import_module("vllm.exceptions")
    return exceptions.VLLMValidationError
