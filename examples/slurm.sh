#!/bin/bash
# One shard of a suite for each task of a job array; then, as a second job, a report of all cells:
#
#   mkdir -p logs
#   job=$(sbatch --parsable examples/slurm.sh suites/oscars --grid full)
#   sbatch --dependency=afterok:$job --output=logs/report.log --wrap \
#     "python -m harness report oscars --grid full --store $STORE"
#
# The arguments are those of pytest; all tasks get the same. STORE is a folder or a URL that all
# nodes share. No task talks to another.
#SBATCH --job-name=lora-memory
#SBATCH --array=1-8
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --output=logs/%A_%a.log
set -euo pipefail

: "${STORE:?give the store that all nodes share, such as STORE=/shared/lora-store}"

# results on CPUs depend on the number of threads: it is the same in all tasks
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:?}

# a gate that fails (exit code 1) is a result, and must not keep the report from being written
pytest "$@" --store "$STORE" \
  --shard "${SLURM_ARRAY_TASK_ID:?}/${SLURM_ARRAY_TASK_COUNT:?}" \
  --report "reports/shard-$SLURM_ARRAY_TASK_ID" || [[ $? == 1 ]]
