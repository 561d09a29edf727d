#!/usr/bin/env bash
# Searches an instruction for each of several tasks with each of several models, and appends every verdict to a file.
#
#     scripts/sweep_tasks.sh STORE OUT.jsonl "bbh/boolean_expressions bbh/object_counting" "openai:A@URL openai:B@URL" \
#         [further options of `opro run`, such as --set data=FOLDER --steps 5 --budget 1e6tok]
#
# One run after another; what was made before an interruption is in STORE, and `opro list --store STORE` shows it.
set -euo pipefail
if (($# < 4)); then
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 2
fi
store=$1 out=$2 tasks=$3 models=$4
shift 4

for task in $tasks; do
    for model in $models; do
        echo "$task with $model" >&2
        run=$(opro run instructions --set "task=$task" --model "$model" --store "$store" --json "$@" |
            python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["run"])')
        opro verdict "$run" --store "$store" --json |
            python3 -c 'import json, sys; print(json.dumps({"task": sys.argv[1], "model": sys.argv[2]} | json.load(sys.stdin)))' \
                "$task" "$model" >> "$out"
    done
done
