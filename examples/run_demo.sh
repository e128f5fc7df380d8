#!/usr/bin/env bash
# Optimises the six programs of the Mirage paper (arXiv:2405.05751), f32 and bf16, and prints one
# table. The other examples (mha, mqa, moe, batch_1) are left to the benchmarks: they take minutes
# more. Usage: run_demo.sh PATH_OF_LAMINA FOLDER
set -euo pipefail
lamina=$1
folder=$2
cd "$(dirname "${BASH_SOURCE[0]}")/programs"
programs=()
for name in gated_mlp gqa lora norm_transformer qk_norm_gqa rms_norm_linear; do
  programs+=("$name.lam" "${name}_bf16.lam")
done
"$lamina" optimize "${programs[@]}" -o "$folder" --budget 20s
echo
echo "Optimised graphs, generated code and reports: $folder"
