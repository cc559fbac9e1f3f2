#!/usr/bin/env bash
# Installs this checkout on every worker of an existing TPU VM slice and trains there; one process per worker.
#
#   ZONE=us-central2-b launch/tpu_vm.sh TPU_NAME --config configs/dcgan_cifar.py --workdir /mnt/runs/dcgan_cifar
#
# The work directory must be on a file system that all workers mount (Filestore), not a bucket's address.
# JAX finds the slice by itself. A slice that was taken away is created anew by hand (or as a queued resource); the same
# command then resumes. `DRY_RUN=1` prints the gcloud commands instead of running them.
set -euo pipefail

if (($# < 2)) || [[ -z ${ZONE:-} ]]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
tpu=$1
shift
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

on_all_workers() {
  if [[ -n ${DRY_RUN:-} ]]; then
    printf '%q ' gcloud compute tpus tpu-vm "$@"
    echo
  else
    gcloud compute tpus tpu-vm "$@"
  fi
}

archive="$(mktemp -d)/jaxgen.tar.gz"
trap 'rm -rf "$(dirname "$archive")"' EXIT
git -C "$root" archive --format=tar.gz --prefix=jaxgen/ -o "$archive" HEAD

on_all_workers scp "$archive" "$tpu:jaxgen.tar.gz" --zone="$ZONE" --worker=all
install="python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt -e '.[tpu]'"
on_all_workers ssh "$tpu" --zone="$ZONE" --worker=all --command="tar xzf jaxgen.tar.gz && cd jaxgen && $install"
# Each argument is quoted once more, for the shell at the other end.
on_all_workers ssh "$tpu" --zone="$ZONE" --worker=all \
  --command="cd jaxgen && exec .venv/bin/python -m jaxgen.main --distributed $(printf '%q ' "$@")"
