#!/usr/bin/env bash
# Optimises every example program and prints one table. Usage: run_demo.sh PATH_OF_LAMINA FOLDER
set -euo pipefail
lamina=$1
folder=$2
cd "$(dirname "${BASH_SOURCE[0]}")/programs"
"$lamina" optimize ./*.lam -o "$folder" --budget 30s
echo
echo "Optimised graphs, generated code and reports: $folder"
