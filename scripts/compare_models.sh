#!/usr/bin/env bash
# Scores the same instructions with several scorer models on a task's test examples: which model needs which words?
#
#     scripts/compare_models.sh STORE TASK INSTRUCTIONS.txt "openai:A@URL openai:B@URL" [options of `opro eval`]
set -euo pipefail
if (($# < 4)); then
    sed -n '2,4s/^# \{0,1\}//p' "$0"
    exit 2
fi
store=$1 task=$2 instructions=$3 models=$4
shift 4

for model in $models; do
    echo "== $model"
    opro eval "$task" --file "$instructions" --scorer "$model" --store "$store" "$@"
done
