"""launch/kubernetes: the manifests against Kubernetes' and JobSet's schemas, and against the processes they start."""

import copy
import json
from pathlib import Path

import pytest

from tests.launch.commands import ROOT
from tests.launch.manifests import FETCH, GROUP, JOB, JOB_OF_JOBSET, JOBSET, SERVICE, container_of, pod_of, variables_of

jsonschema = pytest.importorskip("jsonschema", reason="needs the extra test")
kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="needs the extra test")

SCHEMA = json.loads((Path(__file__).parent / "jobset_v0.12.0.json").read_text())
# podFailurePolicy is stable since the first.
VERSIONS = ("1.31", kubernetes_validate.latest_version())
JOBS = pytest.mark.parametrize("job", [JOB, JOB_OF_JOBSET], ids=["job", "jobset"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", [SERVICE, JOB, JOB_OF_JOBSET, FETCH], ids=["service", "job", "jobset", "fetch"])
def test_manifests_are_kubernetes_own(manifest, version):
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize(
    ("path", "field"),
    [((), "backofLimit"), (("podFailurePolicy", "rules", 0), "onExitCode"), (("template", "spec"), "subdomian")],
)
@JOBS
def test_the_validator_refuses_a_misspelt_field(job, path, field):
    broken = copy.deepcopy(job)
    part = broken["spec"]
    for name in path:
        part = part[name]
    part[field] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match=field):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_the_jobset_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(JOBSET, SCHEMA, jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ((), "replicatedJob", []),
        (("network",), "enableDnsHostnames", True),
        (("failurePolicy",), "maxRestart", 3),
        (("failurePolicy",), "maxRestarts", "3"),
        (("failurePolicy", "rules", 0), "action", "FailJob"),
        (("failurePolicy", "rules", 0), "onJobFailureReasons", ["PodFailure"]),
        (("replicatedJobs", 0), "parallelism", 2),
        (("replicatedJobs", 0), "name", "Workers"),
    ],
)
def test_jobsets_schema_refuses_what_is_none(path, field, value):
    broken = copy.deepcopy(JOBSET)
    part = broken["spec"]
    for name in path:
        part = part[name]
    part[field] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, SCHEMA, jsonschema.Draft202012Validator)


def test_the_schema_of_jobset_has_the_fields_of_its_published_models():
    """The models are made from the API of the version that the schema's name tells, and know no more and no less."""
    models = pytest.importorskip("kubeflow_trainer_api.models", reason="needs the extra launch")
    spec = SCHEMA["properties"]["spec"]
    parts = {
        "JobSetSpec": spec,
        "Network": spec["properties"]["network"],
        "FailurePolicy": spec["properties"]["failurePolicy"],
        "FailurePolicyRule": spec["properties"]["failurePolicy"]["properties"]["rules"]["items"],
        "SuccessPolicy": spec["properties"]["successPolicy"],
        "StartupPolicy": spec["properties"]["startupPolicy"],
        "Coordinator": spec["properties"]["coordinator"],
        "VolumeClaimPolicy": spec["properties"]["volumeClaimPolicies"]["items"],
        "VolumeRetentionPolicy": spec["properties"]["volumeClaimPolicies"]["items"]["properties"]["retentionPolicy"],
        "ReplicatedJob": spec["properties"]["replicatedJobs"]["items"],
        "DependsOn": spec["properties"]["replicatedJobs"]["items"]["properties"]["dependsOn"]["items"],
    }
    for name, schema in parts.items():
        fields = getattr(models, f"JobsetV1alpha2{name}").model_fields
        assert {field.alias or key for key, field in fields.items()} == set(schema["properties"]), name
        required = {field.alias or key for key, field in fields.items() if field.is_required()}
        assert required <= set(schema.get("required", [])), name
    # A field that the models did not know would be missing in what they write.
    ours, written = copy.deepcopy(JOBSET), models.JobsetV1alpha2JobSet.from_dict(JOBSET).to_dict()
    for jobset in (ours, written):
        del jobset["spec"]["replicatedJobs"][0]["template"]
    assert written == ours


@JOBS
def test_a_job_fits_the_processes_that_it_starts(job):
    spec, variables = job["spec"], variables_of(job)
    assert spec["completionMode"] == "Indexed"
    assert spec["parallelism"] == spec["completions"] == int(variables["PROCESSES"])
    # The name of a pod is its Job's and its index, in the domain of the Service.
    port = container_of(job)["ports"][0]["containerPort"]
    assert variables["COORDINATOR"] == f"{job['metadata']['name']}-0.jaxgen:{port}"
    assert pod_of(job)["restartPolicy"] == "Never"  # which podFailurePolicy needs
    assert pod_of(job)["terminationGracePeriodSeconds"] >= 60
    assert (ROOT / variables["CONFIG"]).is_file()
    refused = spec["podFailurePolicy"]["rules"][0]
    assert (refused["action"], refused["onExitCodes"]["values"]) == ("FailJob", [2])
    assert refused["onExitCodes"]["containerName"] == container_of(job)["name"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container_of(job)["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in pod_of(job)["volumes"]}
    assert variables["WORKDIR"].startswith(f"{mounts['runs']}/")


def test_the_service_names_the_pods_of_the_job():
    assert SERVICE["spec"]["clusterIP"] == "None"
    assert SERVICE["spec"]["publishNotReadyAddresses"] is True
    assert SERVICE["spec"]["selector"] == {"batch.kubernetes.io/job-name": JOB["metadata"]["name"]}
    assert SERVICE["metadata"]["name"] == pod_of(JOB)["subdomain"]
    assert SERVICE["spec"]["ports"][0]["port"] == container_of(JOB)["ports"][0]["containerPort"]
    # A JobSet makes a Service of its own name.
    assert JOBSET["metadata"]["name"] == SERVICE["metadata"]["name"]
    assert JOBSET["spec"]["network"]["enableDNSHostnames"] is True


def test_what_is_lost_is_started_again_and_what_is_refused_is_not():
    assert JOB["spec"]["backoffLimit"] >= 20 * JOB["spec"]["completions"]
    assert {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]} in JOB["spec"][
        "podFailurePolicy"
    ]["rules"]
    # In a JobSet the Job fails with its first pod, and the JobSet makes all of them again.
    assert GROUP["template"]["spec"]["backoffLimit"] == 0
    policy = JOBSET["spec"]["failurePolicy"]
    assert policy["maxRestarts"] >= 20
    (rule,) = policy["rules"]
    assert (rule["action"], rule["onJobFailureReasons"]) == ("FailJobSet", ["PodFailurePolicy"])


def test_both_have_the_same_pods_and_the_same_claim():
    pods = [copy.deepcopy(pod_of(job)) for job in (JOB, JOB_OF_JOBSET)]
    assert pods[0].pop("subdomain") == "jaxgen"  # a JobSet sets it
    for pod in pods:
        (coordinator,) = [item for item in pod["containers"][0]["env"] if item["name"] == "COORDINATOR"]
        del coordinator["value"]
    assert pods[0] == pods[1]
    (claim,) = FETCH["spec"]["volumes"]
    assert claim in pods[0]["volumes"]
