#!/bin/sh
# What the program says where it was built without MPI, and that threads train there:
# without_mpi.sh PROGRAM
set -eu
train="$1 train candle-uno --small --branches 2 --samples 16 --steps 2 --batch 8 --threads 1"

refuses() {
  words=$1
  shift
  status=0
  said=$("$@" 2>&1) || status=$?
  echo "$said"
  [ "$status" -eq 4 ]
  case $said in *"$words"*) ;; *) exit 1 ;; esac
}

refuses "Lamina was built without MPI" $train --ranks 2
refuses "a launcher of MPI started this process" env OMPI_COMM_WORLD_SIZE=2 $train
$train --devices 2 --planner chain
