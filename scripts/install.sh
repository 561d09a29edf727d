#!/usr/bin/env bash
# Installs the workbench from this checkout into a virtual environment, with the versions of constraints.txt.
#
#     scripts/install.sh DIRECTORY EXTRAS        such as: scripts/install.sh .venv local,ui
#
# PyTorch on Linux comes with 3 GB of CUDA. On a machine without a GPU its CPU build is taken instead: where pip's own
# configuration offers one, from there; else with uv, which knows where PyTorch keeps it. Where neither can be reached,
# pip installs what its index has, and that always works.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=$1
extras=$2
python=$venv/bin/python
pinned=$(sed -n 's/^torch==//p' constraints.txt)
wanted=(--constraint constraints.txt --editable ".[$extras]")

say() { echo "== $*"; }
pip() { "$python" -m pip --disable-pip-version-check "$@"; }

on_linux_without_gpu() {
    [[ $(uname -sm) == "Linux x86_64" ]] && ! nvidia-smi --list-gpus > /dev/null 2>&1
}
wants_torch() { [[ ,$extras, =~ ,(all|local|equations), ]]; }
installed() { pip show "$1" 2> /dev/null | sed -n 's/^Version: //p' || true; }
pip_offers_cpu_build() { pip index versions torch 2> /dev/null | grep --quiet --fixed-strings "$pinned+cpu"; }

# Without Triton, 200 MB that only a GPU uses. PyTorch is fetched from where its CPU builds are, unless it is there.
install_with_uv() {
    local tools backend=()
    tools=$(mktemp -d)
    echo 'triton; python_version < "3"' > "$tools/without.txt"
    [[ -n $(installed torch) ]] || backend=(--torch-backend cpu)
    pip install --quiet --constraint constraints.txt --target "$tools" uv &&
        UV_SYSTEM_CERTS=1 "$tools/bin/uv" pip install --python "$python" "${backend[@]}" \
            --override "$tools/without.txt" "${wanted[@]}"
    local failed=$?
    rm -r "$tools"
    return $failed
}

install() {
    local torch
    torch=$(installed torch)
    if ! wants_torch || [[ -n $torch && -n $(installed triton) ]]; then
        say "Installing into $venv."
    elif ! on_linux_without_gpu; then
        say "Installing into $venv, with the PyTorch of pip's index: on Linux it has CUDA, 3 GB to fetch."
    else
        say "Installing into $venv, with PyTorch's CPU build, for no GPU is found."
        if [[ -z $torch ]] && pip_offers_cpu_build; then pip install --constraint constraints.txt torch; fi
        install_with_uv && return
        say "That could not be reached from here: taking what pip's index has. With CUDA, it is 3 GB to fetch."
    fi
    pip install "${wanted[@]}"
}

[[ -x $python ]] || "${PYTHON:-python3}" -m venv "$venv"
install
say "Installed in $SECONDS s: $(du -sh "$venv" | cut -f 1) in $venv."
