#!/usr/bin/env bash
# Optimises every example program. Usage: examples/run_demo.sh PATH_OF_LAMINA
set -euo pipefail
lamina=$1
cd "$(dirname "${BASH_SOURCE[0]}")/programs"
for program in *; do
  echo "== lamina optimize examples/programs/$program"
  "$lamina" optimize "$program"
done
