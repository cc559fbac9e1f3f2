"""The manifests of launch/kubernetes, and what is in them."""

import yaml

from tests.launch.commands import LAUNCH

FOLDER = LAUNCH / "kubernetes"
SERVICE, JOB = yaml.safe_load_all((FOLDER / "job.yaml").read_text())
JOBSET = yaml.safe_load((FOLDER / "jobset.yaml").read_text())
FETCH = yaml.safe_load((FOLDER / "fetch.yaml").read_text())
(GROUP,) = JOBSET["spec"]["replicatedJobs"]
# What a JobSet makes of its template, under the name that it gives it.
JOB_OF_JOBSET = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": f"{JOBSET['metadata']['name']}-{GROUP['name']}-0"},
    **GROUP["template"],
}


def pod_of(job):
    """The specification of a Job's pods."""
    return job["spec"]["template"]["spec"]


def container_of(job):
    """The one container of a Job's pods."""
    (container,) = pod_of(job)["containers"]
    return container


def variables_of(job):
    """The environment that a Job gives its container."""
    return {variable["name"]: variable["value"] for variable in container_of(job)["env"]}
