#!/usr/bin/env bash
# Times the example programs on a GPU: run.sh [LAMINA [TARGET]]
#
# With LAMINA (the program) the texts of examples/programs are made anew for TARGET (sm_90 unless
# given), into bench/gpu/programs. Without, those that are there are used: the folder bench/gpu,
# copied to a machine with CUDA and CMake, is all that machine needs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ $# -ge 1 ]]; then
  target=${2:-sm_90}
  for model in "$here"/../../examples/programs/*.lam; do
    name=$(basename "$model" .lam)
    "$1" optimize "$model" --target "cuda:$target" -o "$here/programs/$name" > /dev/null
  done
  echo "$target" > "$here/programs/target"
fi
architecture=$(sed 's/sm_//' "$here/programs/target")
cmake -S "$here" -B "$here/build" -DCMAKE_CUDA_ARCHITECTURES="$architecture" > /dev/null
cmake --build "$here/build" --parallel > /dev/null
status=0
for folder in "$here"/programs/*/; do
  "$here/build/$(basename "$folder")" || status=1
done
exit $status
