#!/usr/bin/env bash
# Checks that the core, each extra and the developers' tools can be installed from the plain index with the versions of
# constraints.txt, by wheels alone, on every Python that is supported; nothing is downloaded but their metadata.
# Sources of packages that this machine's pip is configured with do not count.
set -euo pipefail
cd "$(dirname "$0")/.."

pythons=(3.11 3.12 3.13)
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --upgrade --constraint constraints.txt pip uv

plain() {
    env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL -u PIP_CONSTRAINT -u UV_FIND_LINKS -u UV_EXTRA_INDEX_URL \
        PIP_CONFIG_FILE=/dev/null UV_NO_CONFIG=1 UV_SYSTEM_CERTS=1 "$tools/bin/$@"
}

# vLLM brings versions of its own: see scripts/vllm_env.sh.
mapfile -t extras < <("$tools/bin/python" -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    print(*(name for name in tomllib.load(file)["project"]["optional-dependencies"] if name != "vllm"), sep="\n")')

for version in "${pythons[@]}"; do
    for chosen in "" "${extras[@]/#/--extra=}"; do
        plain uv pip compile --quiet --python-version "$version" --python-platform x86_64-manylinux_2_28 \
            --only-binary :all: --constraint constraints.txt ${chosen:+"$chosen"} pyproject.toml > "$tools/resolved.txt"
        echo "Python $version, ${chosen:-the core}: $(grep --count == "$tools/resolved.txt") packages"
    done
done

# And as pip resolves it, for the Python that is here.
plain python -m pip install --quiet --dry-run --ignore-installed --constraint constraints.txt '.[all,dev]'
echo "pip resolves all of it on $("$tools/bin/python" --version)"
