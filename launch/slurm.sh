#!/usr/bin/env bash
# 2 nodes with 4 GPUs each, one process per GPU (JAX gives each SLURM task the device of its local number):
#
#   sbatch launch/slurm.sh --config configs/dcgan_cifar.py --workdir /shared/runs/dcgan_cifar
#
# The work directory must be on a file system that all nodes share. A job that is preempted, reaches its time limit or
# loses a process goes back into the queue and resumes; one that is complete or refused stays ended.
#SBATCH --job-name=jaxgen
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=4
#SBATCH --time=08:00:00
#SBATCH --signal=TERM@60
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=jaxgen-%j.log
set -euo pipefail

workdir=""
arguments=("$@")
for ((i = 0; i < ${#arguments[@]}; i++)); do
  case "${arguments[i]}" in
    --workdir=*) workdir="${arguments[i]#--workdir=}" ;;
    --workdir) workdir="${arguments[i + 1]:-}" ;;
  esac
done
if [[ -z $workdir ]]; then
  echo "slurm.sh: --workdir is missing: name a folder that all nodes share" >&2
  exit 2
fi

cd "${SLURM_SUBMIT_DIR:-.}"
# Whatever ends one process, the others end by themselves, within JAX's heartbeat timeout of 100 s: killed earlier, they
# would hide the exit code 2 of refused input, since srun hands on the highest.
code=0
srun --kill-on-bad-exit=0 --wait=150 "${PYTHON:-.venv/bin/python}" -m jaxgen.main --distributed "$@" || code=$?

# 0 without an evaluation: stopped on the way. Anything but 2: a process was lost, which 20 times is no accident.
if ((code == 0)); then
  [[ -f $workdir/evaluation.json ]] || scontrol requeue "$SLURM_JOB_ID"
elif ((code != 2 && ${SLURM_RESTART_COUNT:-0} < 20)); then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
