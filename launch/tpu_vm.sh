#!/usr/bin/env bash
# A Cloud TPU VM slice from its creation to its end, through gcloud; one process per worker, which find each other.
#
#   ZONE=us-central2-b launch/tpu_vm.sh create NAME --accelerator-type=v4-16 --version=tpu-ubuntu2204-base --spot
#   ZONE=us-central2-b launch/tpu_vm.sh run NAME --config configs/dcgan_cifar.py --workdir /mnt/runs/dcgan_cifar
#   ZONE=us-central2-b launch/tpu_vm.sh fetch NAME /mnt/runs/dcgan_cifar runs
#   ZONE=us-central2-b launch/tpu_vm.sh delete NAME
#
# create hands its flags on to gcloud. run installs this checkout's last commit on every worker and trains there; the
# work directory must be on a file system that all workers mount (Filestore), not a bucket's address. fetch copies it
# into a local folder. A slice that was taken away: delete, create, mount and run again, which resumes.
# `DRY_RUN=1` prints the gcloud commands instead of running them.
set -euo pipefail

usage() {
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
  exit 2
}

if (($# < 2)) || [[ -z ${ZONE:-} ]]; then
  usage
fi
verb=$1 tpu=$2
shift 2

tpu_vm() {
  local command=(gcloud compute tpus tpu-vm "$@" --zone="$ZONE")
  if [[ -n ${DRY_RUN:-} ]]; then
    printf '%q ' "${command[@]}"
    echo
  else
    "${command[@]}"
  fi
}

train() {
  local root archive install
  root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
  archive="$(mktemp -d)/jaxgen.tar.gz"
  # shellcheck disable=SC2064 # the folder's name of now
  trap "rm -rf '$(dirname "$archive")'" EXIT
  git -C "$root" archive --format=tar.gz --prefix=jaxgen/ -o "$archive" HEAD

  tpu_vm scp "$archive" "$tpu:jaxgen.tar.gz" --worker=all
  # Ubuntu 22.04's own Python is 3.10, and jaxgen needs 3.11: uv fetches one. constraints.txt has the libtpu of plans;
  # jax[tpu] wants the one that it was made with.
  install="curl -LsSf https://astral.sh/uv/install.sh | env UV_UNMANAGED_INSTALL=\"\$PWD/.uv\" sh"
  install+=" && .uv/uv venv -q --allow-existing --python 3.12 .venv"
  install+=" && grep -v '^libtpu=' constraints.txt > .constraints.txt"
  install+=" && .uv/uv pip install -q --python .venv/bin/python -c .constraints.txt -e '.[tpu]'"
  tpu_vm ssh "$tpu" --worker=all --command="tar xzf jaxgen.tar.gz && cd jaxgen && $install"
  # Each argument is quoted once more, for the shell at the other end.
  tpu_vm ssh "$tpu" --worker=all \
    --command="cd jaxgen && exec .venv/bin/python -m jaxgen.main --distributed $(printf '%q ' "$@")"
}

fetch() {
  [[ -n ${DRY_RUN:-} ]] || mkdir -p "$2"
  tpu_vm scp --recurse "$tpu:$1" "$2" --worker=0
}

case "$verb $#" in
  "create "*) tpu_vm create "$tpu" "$@" ;;
  "run 0") usage ;;
  "run "*) train "$@" ;;
  "fetch 2") fetch "$@" ;;
  "delete 0") tpu_vm delete "$tpu" --quiet ;;
  *) usage ;;
esac
