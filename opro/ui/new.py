"""Where runs begin: forms made of the problems' and proposers' own settings, and the command that they stand for."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from evaluators import PROBLEMS
from opro.config import RunConfig, run_config
from opro.consent import code_of, deeds_of, own_code
from opro.errors import ConfigError
from opro.proposers import PROPOSERS
from opro.reader import Reader
from opro.registry import find, known_names
from opro.trust import Deed, in_words, pending
from opro.ui import access, commands, data, forms, parts

OURS = ("steps", "per_step", "seed", "trials", "patience", "baselines", "concurrency", "seconds", "timeout", "deadline")
KEPT = ("model_set", "scorer_set", "prices")
"""What a clone takes over as it is, without a widget."""

FIRST = {"instructions": ("task", "data", "position", "reply_tokens", "train", "test")}
"""Which settings of a problem with many of them stand first."""

EASY = "linear-regression"
"""The problem that the form begins with: it takes seconds, and the default model solves it."""

CLONED = "cloned"
"""Where a session keeps which run it has filled the form from."""

MODELS = ("local", "openai:NAME@http://127.0.0.1:8000/v1", "openai:NAME", "vllm:HUB_ID", "uniform")


def show(reader: Reader | None, store: str) -> None:
    """Draw the page."""
    st.title("New run", anchor=False)
    st.session_state["refused"] = False
    _clone(reader)
    modes = {"Optimize": _optimization, "Evaluate instructions": _evaluation, "Probe a model": _probe}
    mode = st.segmented_control("Mode", list(modes), default="Optimize", key="mode", label_visibility="collapsed")
    modes.get(mode or "", _optimization)(store)


def _optimization(store: str) -> None:
    given: Mapping[str, Any] = st.session_state.get("clone", {})
    left, right = st.columns(2, gap="large")
    with left:
        config, kind = _problem(given)
    with right:
        config |= _search(given)
        budget = st.text_input("budget", " ".join(given.get("budget", ())), help="such as 2.50usd, 1e6tok or 30min")
        seeds = st.number_input("seeds", 1, 100, 1, help="so many runs, one after another; six are enough for a test")
        with st.expander("Limits and more"):
            ours = {name: RunConfig.model_fields[name] for name in OURS}
            config |= forms.settings(_only(ours), _key("run"), {name: given[name] for name in OURS if name in given})
    if budget:
        config["budget"] = budget.replace(",", " ").split()
    for name, message in forms.refusals(RunConfig, {**config, "problem": kind}).items():
        if name not in OURS:
            st.error(parts.literal(f"{name}: {message}".removeprefix(": ")), icon=":material/error:")
            st.session_state["refused"] = True
    config |= {name: given[name] for name in KEPT if given.get(name)}
    _left_out(given)
    _refuse(config, given)
    _begin(commands.run_arguments(config, int(seeds)), store)
    if given:
        st.button("Empty the form", on_click=_empty, help="forget the run that was cloned")


def _clone(reader: Reader | None) -> None:
    """Fill the form with the config of the run that the address names, once."""
    name = st.query_params.get("clone", "")
    if not name or st.session_state.get(CLONED) == name:
        return
    found = next((run for run in reader.runs() if run.id == name), None) if reader else None
    if found is None:
        st.warning(f"There is no run {parts.literal(name)} in this store.")
        return
    st.session_state[CLONED] = name
    _fill(found.spec.config)


def _empty() -> None:
    _fill({})


def _fill(config: Mapping[str, Any]) -> None:
    st.session_state["clone"] = dict(config)
    st.session_state["form"] = st.session_state.get("form", 0) + 1


def _key(name: str) -> str:
    """Return a widget's key: another one for each filling of the form, so that what was entered before is forgotten."""
    filling = st.session_state.get("form", 0)
    return f"{name}-{filling}" if filling else name


def _left_out(given: Mapping[str, Any]) -> None:
    """Say which settings of a cloned run the command has no options for."""
    fields = RunConfig.model_fields
    told = {*commands.FLAGS, *commands.TABLES, "problem", "budget"}
    odd = [name for name in given if name in fields and name not in told and given[name] != fields[name].default]
    if odd:
        st.warning(
            f"Not taken over, as the command has no options for it: {parts.literal(', '.join(odd))}. To have all of "
            "it, export the run as TOML, and `opro run` the file."
        )


def _only(fields: Mapping[str, Any]) -> Any:
    """Return a model of some of the fields of a run."""
    from pydantic import create_model

    return create_model("Limits", **{name: (field.annotation, field) for name, field in fields.items()})  # type: ignore[call-overload]


def _problem(given: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Draw the choice of a problem with its settings."""
    st.subheader("Problem", anchor=False)
    names = known_names("problem", PROBLEMS)
    before = given.get("problem")
    options = names if before in (None, *names) else [before, *names]
    at = options.index(before or EASY)
    kind = (
        st.selectbox("problem", options, at, key=_key("problem"), accept_new_options=True, help="or FILE.py:Class")
        or names[0]
    )
    try:
        _check_allowed(own_code("problem", kind))
        made = find("problem", kind, PROBLEMS)
    except ConfigError as error:
        parts.explained(error)
        st.session_state["refused"] = True
        return {"problem": kind}, kind
    st.caption(parts.literal((made.__doc__ or "").strip().partition("\n")[0]))
    old: Mapping[str, Any] = given.get("set", {}) if before == kind else {}
    told = forms.settings(made.Config, _key(f"set-{kind}"), old, FIRST.get(kind, ())) if hasattr(made, "Config") else {}
    return {"problem": kind, "set": told}, kind


def _check_allowed(deeds: Sequence[Deed]) -> None:
    """Raise a ConfigError for code of the user's own that the page was not started with."""
    if left := [deed for deed in deeds if not access.is_allowed(deed)]:
        raise ConfigError(
            f"for this the page would {in_words(left)}: it runs files of yours only that it was started with, by "
            "`opro ui --allow FILE.py`"
        )


def _refuse(config: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse code that the page was not started with, and what a cloned run would do and nobody has agreed to."""
    try:
        made = run_config(config)
        _check_allowed(code_of(made))
        known = {name: value for name, value in given.items() if name in RunConfig.model_fields}
        theirs = pending(deeds_of(run_config(known))) if known else []
        if left := [deed for deed in deeds_of(made) if deed in theirs and not access.is_allowed(deed)]:
            raise ConfigError(
                f"this clone would {in_words(left)}, as the stored run says: type the command in a terminal if you "
                "trust it"
            )
    except ConfigError as error:
        if not st.session_state["refused"]:  # else the reason stands there already
            parts.explained(error)
        st.session_state["refused"] = True


def _search(given: Mapping[str, Any]) -> dict[str, Any]:
    """Draw the choice of a proposer with its settings, and of the models."""
    st.subheader("Search", anchor=False)
    names = known_names("proposer", PROPOSERS)
    at = names.index(given.get("proposer", "opro")) if given.get("proposer", "opro") in names else 0
    kind = st.selectbox("proposer", names, index=at, key=_key("proposer"))
    try:
        made = find("proposer", kind, PROPOSERS)
    except ConfigError as error:
        parts.explained(error)
        st.session_state["refused"] = True
        return {"proposer": kind}
    st.caption(parts.literal((made.__doc__ or "").strip().partition("\n")[0]))
    config: dict[str, Any] = {} if kind == "opro" else {"proposer": kind}
    if made.needs_model:
        config["model"] = _model("optimizer model", "model", given)
    scorer = _model("scorer model", "scorer", given, "the optimizer model")
    config |= {name: value for name, value in (("scorer", scorer),) if value}
    if config.get("model") == "local":
        config.pop("model")
    with st.expander(f"Settings of {kind}"):
        old: Mapping[str, Any] = given.get("options", {}) if given.get("proposer") == kind else {}
        config["options"] = forms.settings(made.Config, _key(f"option-{kind}"), _without_text(old))
    return config


def _without_text(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored run's options without the template's text, which a new run reads afresh from its file."""
    return {name: value for name, value in options.items() if name != "template"}


def _model(label: str, key: str, given: Mapping[str, Any], empty: str = "") -> str:
    options = [*([given[key]] if given.get(key) and given[key] not in MODELS else []), *MODELS]
    chosen = st.selectbox(
        label,
        options,
        index=options.index(given[key]) if given.get(key) else (None if empty else options.index("local")),
        key=_key(key),
        accept_new_options=True,
        placeholder=empty,
        help="KIND:NAME; a key stands in an environment variable, never here",
    )
    return chosen or ""


def _evaluation(store: str) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Task", anchor=False)
        made = find("problem", "instructions", PROBLEMS)
        told = forms.settings(made.Config, "eval", {}, ("task", "data", "position", "reply_tokens", "test"))
    with right:
        st.subheader("Instructions", anchor=False)
        lines = st.text_area("One a line; an empty line is no instruction", "\nLet's think step by step.", height=160)
        scorer = _model("scorer model", "eval-scorer", {}, "local")
        split = st.segmented_control("Examples", ("test", "train"), default="test") or "test"
        budget = st.text_input("budget", help="such as 2.50usd, 1e6tok or 30min", key="eval-budget")
    task = told.pop("task", "")
    for name in ("start", "split", "racing"):  # the command says these itself
        told.pop(name, None)
    texts = lines.removesuffix("\n").split("\n")
    config = {"set": told, "scorer": scorer, "budget": budget.replace(",", " ").split()}
    _refuse({"problem": "instructions", **config}, {})
    _begin(commands.eval_arguments(task, texts, config, split), store)


def _probe(store: str) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Data and settings", anchor=False)
        made = find("problem", "icl", PROBLEMS)
        told = forms.settings(made.Config, "probe", {}, ("task", "data", "settings", "k", "items"))
    with right:
        st.subheader("Model", anchor=False)
        model = _model("model", "probe-model", {})
        budget = st.text_input("budget", help="such as 2.50usd, 1e6tok or 30min", key="probe-budget")
        st.caption(
            "The model is shown labelled examples, with right, flipped or meaningless labels. Whether it lets them "
            "override what it believes tells whether it can optimize."
        )
    task, settings = told.pop("task", ""), [line for line in told.pop("settings", ()) if line.strip()]
    config = {"set": told, "settings": settings, "model": model, "budget": budget.replace(",", " ").split()}
    _refuse({"problem": "icl", "set": told, "model": model, "budget": config["budget"]}, {})
    _begin(commands.probe_arguments(task, config), store)


def _begin(arguments: list[str], store: str) -> None:
    """Draw the command that the form stands for, and what starts it."""
    st.caption("The same as this command:")
    st.code(commands.command_line(arguments, store), language="bash", wrap_lines=True)
    refused = bool(st.session_state["refused"])
    with st.container(horizontal=True):
        begin = st.button("Start", type="primary", icon=":material/play_arrow:", disabled=refused)
        estimate = arguments[0] == "run" and st.button("Estimate the cost", disabled=refused)
    if refused:
        st.caption("A value above is refused; its reason stands under it.")
    if estimate:
        _estimate(arguments, store)
    if begin:
        data.started().append(commands.start(arguments, store))
        data.survey.clear()
        _empty()
        st.switch_page(st.session_state["pages"]["runs"])


def _estimate(arguments: list[str], store: str) -> None:
    with st.spinner("Rehearsing the first steps, without asking a model"):
        done, said = commands.finish([*arguments, "--dry-run", "--json"], store)
    if not done:
        st.error(parts.literal(said.strip()), icon=":material/error:")
        return
    estimates = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    if not estimates:
        st.info("No model is asked, so nothing is paid for.")
        return
    rows = [
        {
            "model as": one["role"],
            "model": one["model"],
            "requests": one["runs"] * one["requests"],
            "tokens read": one["runs"] * one["likely"]["prompt"],
            "tokens written": one["runs"] * one["likely"]["completion"],
            "at most": one["runs"] * one["most"]["completion"],
            "usd": None if one["likely_usd"] is None else one["runs"] * one["likely_usd"],
        }
        for one in estimates
    ]
    st.dataframe(rows, hide_index=True, alt="Estimated cost")
    st.caption("To the last step; failed tries are not foreseen. An empty price is not known.")
