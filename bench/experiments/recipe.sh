#!/usr/bin/env bash
# Makes a model as the shipped one was made: four teachers, the captioner that learns from them, its smaller copy.
#   bench/experiments/recipe.sh [FLICKR8K] [FOLDER FOR RUNS]
# Four to five hours on two CPU cores that multiply in bf16 (AMX). Killed, it goes on where it was when started again.
set -euo pipefail
data=${1:-../shared/data/flickr8k}
runs=${2:-runs}
python=${PYTHON:-python3}

train() {  # train NAME OPTION...
  "$python" -m pycap train --data "$data" --format flickr8k --precision bf16 --resume --out "$runs/$1" "${@:2}"
}

words_only=(--set train.self_critical_epochs=0 --set train.phrase_epochs=0)
plain=(--set model.encoder_layers=0)
train teacher-a "${words_only[@]}"
train teacher-b "${words_only[@]}" "${plain[@]}"
train teacher-c "${words_only[@]}" "${plain[@]}" --learning-rate 0.0015 --epochs 8
train teacher-d --seed 2 --set train.phrase_epochs=0
train student --seed 3 --set search.beam=30 --teacher "$runs/teacher-a/best" --teacher "$runs/teacher-b/best" \
  --teacher "$runs/teacher-c/best" --teacher "$runs/teacher-d/best"
[ -e "$runs/small" ] || "$python" -m pycap export "$runs/student/best" --int8 --out "$runs/small"
"$python" -m pycap evaluate --data "$data" --format flickr8k --split dev --checkpoint "$runs/small" --precision full
