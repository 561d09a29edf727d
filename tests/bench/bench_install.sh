#!/usr/bin/env bash
# How long the README's ways to install take, what they download and what they leave on the disk, in an environment like
# a fresh container's: no configuration of pip, empty caches, a home of its own. Prints a row of a Markdown table each.
#
#     tests/bench/bench_install.sh [PYTHON...]      default: python3; name others by path
#
# REVISION=HASH measures another revision; WAYS="core demo" leaves out the others: core, ui, demo (make demo's part), test
# (make test's part). Without a GPU and with PyTorch's own index out of reach, demo and test fetch 3 GB of CUDA.
set -euo pipefail
cd "$(dirname "$0")/../.."

ways=${WAYS:-core ui demo test}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
git archive "${REVISION:-HEAD}" | (mkdir "$scratch/source" && tar -x -C "$scratch/source")

# What this machine needs to trust its network is kept; nothing else of its configuration is.
fresh() {
    env -i HOME="$scratch/home" PATH=/usr/bin:/bin TMPDIR="$scratch/tmp" PIP_CONFIG_FILE=/dev/null \
        ${PIP_CERT:+PIP_CERT="$PIP_CERT"} ${SSL_CERT_FILE:+SSL_CERT_FILE="$SSL_CERT_FILE"} "$@"
}

downloaded() { # MB, as pip and uv tell them
    sed -nE 's/^ *Downloading .*[( ]([0-9.]+) ?([kKMG])i?B\)$/\1 \2/p' "$scratch/log" |
        awk '{ sum += $1 * ($2 == "G" ? 1000 : $2 == "M" ? 1 : 0.001) } END { printf "%.0f", sum }'
}

install() { # PYTHON WAY
    cd "$scratch/source"
    case $2 in
        core) fresh "$1" -m venv .venv && fresh .venv/bin/python -m pip install -c constraints.txt . ;;
        ui) fresh "$1" -m venv .venv && fresh .venv/bin/python -m pip install -c constraints.txt '.[ui]' ;;
        demo) fresh make PYTHON="$1" .venv/bin/opro ;;
        test) fresh make PYTHON="$1" .venv/dev ;;
    esac
}

echo "| Python | way | seconds | MB fetched | MB on disk | packages |"
echo "|---|---|---|---|---|---|"
for python in "${@:-$(command -v python3)}"; do
    for way in $ways; do
        rm -rf "$scratch/home" "$scratch/tmp" "$scratch/source/.venv"
        mkdir "$scratch/home" "$scratch/tmp"
        start=$SECONDS
        if (install "$python" "$way") > "$scratch/log" 2>&1; then
            venv=$scratch/source/.venv
            echo "| $("$python" --version | cut -d ' ' -f 2) | $way | $((SECONDS - start)) | $(downloaded)" \
                "| $(du -sm "$venv" | cut -f 1) | $(fresh "$venv/bin/python" -m pip list --format freeze 2> /dev/null | wc -l) |"
        else
            echo "| $("$python" --version | cut -d ' ' -f 2) | $way | failed after $((SECONDS - start)) | $(downloaded) | | |"
            tail -3 "$scratch/log" >&2
        fi
    done
done
