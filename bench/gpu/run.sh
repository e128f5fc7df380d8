#!/usr/bin/env bash
# Times the example programs on a GPU: run.sh FOLDER [LAMINA [TARGET]]
#
# With LAMINA (the program) the texts of examples/programs are made anew for TARGET (sm_90 unless
# given), into FOLDER/programs. Without, those that are there are used: this folder and FOLDER,
# copied to a machine with CUDA and CMake, are all that machine needs. PyTorch is timed where
# python3 can import it.
#
# Exit status: 0 all right, 1 a result is wrong, 3 there is no GPU, else something failed.
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
  case $target in sm_80) machine=a100 ;; sm_90) machine=h100 ;; *) machine= ;; esac
  machine=${MACHINE:-${machine:+$here/../../share/machines/$machine.json}}
  cp "${machine:?set MACHINE to a description of a GPU of $target}" "$folder/programs/machine.json"
fi
number() { sed -n "s/.*\"$1\": *\([0-9.e+]*\).*/\1/p" "$folder/programs/machine.json"; }
architecture=$(sed 's/sm_//' "$folder/programs/target")
cmake -S "$here" -B "$folder/build" -DPROGRAMS="$folder/programs" \
  -DCMAKE_CUDA_ARCHITECTURES="$architecture" > /dev/null
cmake --build "$folder/build" --parallel > /dev/null
status=0
for program in "$folder"/programs/*/; do
  code=0
  timeout 90 "$folder/build/$(basename "$program")" "$(number bytes_per_second)" \
    "$(number flops_f32)" "$(number flops_16bit)" || code=$?
  if [[ $code -eq 3 ]]; then exit 3; fi
  if [[ $code -ne 0 && $status -ne 1 ]]; then status=$code; fi
done
if command -v python3 > /dev/null; then python3 "$here/peers.py" "$folder/programs" || status=$?; fi
exit $status
