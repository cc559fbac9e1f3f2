#!/usr/bin/env bash
# Several processes on this machine, as a cluster would start them: to try a distributed run, or to use several GPUs.
#
#   launch/local.sh PROCESSES DEVICES [flags of jaxgen.main ...]
#
#   launch/local.sh 2 2 --config configs/dcgan_digits.py             2 processes with 2 virtual CPU devices each
#   GPUS=1 launch/local.sh 4 1 --config configs/dcgan_cifar.py       4 processes with 1 GPU each
#
# SIGTERM and Ctrl-C reach every process: they save and end, and the same command goes on from there. The exit code is
# the first one that is not 0. When one process fails the others are ended.
set -euo pipefail

if (($# < 2)) || ! [[ $1 =~ ^[1-9][0-9]*$ && $2 =~ ^[1-9][0-9]*$ ]]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
processes=$1 devices=$2
shift 2
python="${PYTHON:-python3}"
port="$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"

pids=() signalled=0
stop() { ((${#pids[@]} == 0)) || kill -TERM "${pids[@]}" 2>/dev/null || true; }
trap 'signalled=1; stop' TERM INT

for ((i = 0; i < processes; i++)); do
  if [[ -n ${GPUS:-} ]]; then
    export CUDA_VISIBLE_DEVICES
    CUDA_VISIBLE_DEVICES="$(seq -s, $((i * devices)) $((i * devices + devices - 1)))"
  else
    export JAX_PLATFORMS=cpu XLA_FLAGS="--xla_force_host_platform_device_count=$devices"
  fi
  "$python" -m jaxgen.main --distributed --coordinator_address="127.0.0.1:$port" \
    --num_processes="$processes" --process_id="$i" "$@" &
  pids+=($!)
done

result=0
while true; do
  wait -n && code=0 || code=$?
  if ((signalled)); then
    signalled=0 # the signal ended `wait`, no process did: they are saving
    continue
  fi
  ((code != 127)) || break # none is left
  if ((code != 0 && result == 0)); then
    result=$code
    stop
  fi
done
exit "$result"
