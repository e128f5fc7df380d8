#!/usr/bin/env bash
# Times the example programs on a GPU: run.sh FOLDER [LAMINA [TARGET]]
#
# With LAMINA (the program) the texts of examples/programs are made anew for TARGET (sm_90 unless
# given), into FOLDER/programs. Without, those that are there are used: this folder and FOLDER,
# copied to a machine with CUDA and CMake, are all that machine needs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?run.sh FOLDER [LAMINA [TARGET]]}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
if [[ $# -ge 2 ]]; then
  target=${3:-sm_90}
  for model in "$here"/../../examples/programs/*.lam; do
    name=$(basename "$model" .lam)
    "$2" optimize "$model" --target "cuda:$target" -o "$folder/programs/$name" > /dev/null
  done
  echo "$target" > "$folder/programs/target"
fi
architecture=$(sed 's/sm_//' "$folder/programs/target")
cmake -S "$here" -B "$folder/build" -DPROGRAMS="$folder/programs" \
  -DCMAKE_CUDA_ARCHITECTURES="$architecture" > /dev/null
cmake --build "$folder/build" --parallel > /dev/null
status=0
for program in "$folder"/programs/*/; do
  "$folder/build/$(basename "$program")" || status=1
done
exit $status
