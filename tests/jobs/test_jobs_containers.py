"""Compose and Kubernetes: right by their own schemas, with few rights, and without surprises on a retry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

OLDEST = "1.27"
"""The first Kubernetes in which a CronJob's timeZone can be relied on."""

MANIFESTS = ("storage-and-config.yaml", "daemon.yaml", "cronjob.yaml", "backfill.yaml")


def documents(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a YAML file."""
    return list(yaml.safe_load_all(path.read_text()))


def pod_spec(document: dict[str, Any]) -> dict[str, Any]:
    """Return the pod's spec of a Deployment, a CronJob or a Job."""
    spec = document["spec"]
    if document["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    found: dict[str, Any] = spec["template"]["spec"]
    return found


@pytest.fixture
def service(jobs: Path) -> dict[str, Any]:
    """Return the one service of the Compose file."""
    (found,) = documents(jobs / "compose" / "compose.yaml")[0]["services"].values()
    assert isinstance(found, dict)
    return found


@pytest.fixture(params=("daemon", "cronjob", "backfill"))
def workload(request: pytest.FixtureRequest, jobs: Path) -> dict[str, Any]:
    """Return each thing that runs pods."""
    (found,) = documents(jobs / "kubernetes" / f"{request.param}.yaml")
    return found


@pytest.mark.tool(module="kubernetes_validate")
@pytest.mark.parametrize("version", [OLDEST, "newest"])
@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_takes_each_manifest(jobs: Path, name: str, version: str) -> None:
    import kubernetes_validate as kubernetes  # type: ignore[import-untyped]

    wanted = kubernetes.latest_version() if version == "newest" else version
    found = documents(jobs / "kubernetes" / name)
    assert found
    for document in found:
        kubernetes.validate(document, wanted, strict=True)


@pytest.mark.tool(module="kubernetes_validate")
def test_a_field_that_kubernetes_does_not_know_is_noticed(workload: dict[str, Any]) -> None:
    import kubernetes_validate as kubernetes

    pod_spec(workload)["securityContext"]["runAsNonRot"] = True
    with pytest.raises(kubernetes.ValidationError):
        kubernetes.validate(workload, OLDEST, strict=True)


def test_pods_have_no_right_that_they_do_not_need(workload: dict[str, Any]) -> None:
    pod = pod_spec(workload)
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


def test_pods_have_the_image_s_user_one_volume_and_the_keys(
    workload: dict[str, Any], jobs: Path
) -> None:
    pod = pod_spec(workload)
    (container,) = pod["containers"]
    dockerfile = (jobs.parent / "Dockerfile").read_text().splitlines()
    users = [line for line in dockerfile if line.startswith("USER ")]
    security = pod["securityContext"]
    assert users == [f"USER {security['runAsUser']}:{security['runAsGroup']}"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert mounts.keys() == volumes.keys()
    assert mounts["data"]["mountPath"] == "/var/lib/reportsync"
    assert [one["value"] for one in container["env"]] == [mounts["keys"]["mountPath"]]
    config, claim = documents(jobs / "kubernetes" / "storage-and-config.yaml")
    assert volumes["config"]["configMap"]["name"] == config["metadata"]["name"]
    assert f"{mounts['config']['mountPath']}/config.yaml" == "/etc/reportsync/config.yaml"
    assert list(config["data"]) == ["config.yaml"]
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert volumes["keys"]["secret"]["defaultMode"] == 0o440


def test_the_three_pods_differ_in_nothing_but_their_purpose(jobs: Path) -> None:
    purpose = {"restartPolicy", "affinity"}
    own = {"args", "livenessProbe", "readinessProbe", "ports"}
    seen = []
    for name in ("daemon", "cronjob", "backfill"):
        pod = pod_spec(documents(jobs / "kubernetes" / f"{name}.yaml")[0])
        (container,) = pod["containers"]
        rest = {key: value for key, value in pod.items() if key not in {*purpose, "containers"}}
        seen.append((rest, {key: value for key, value in container.items() if key not in own}))
    assert seen[0] == seen[1] == seen[2]


def test_the_daemon_lets_go_of_its_volume_before_the_next_one_starts(jobs: Path) -> None:
    (daemon,) = documents(jobs / "kubernetes" / "daemon.yaml")
    assert daemon["spec"]["strategy"] == {"type": "Recreate"}
    assert daemon["spec"]["replicas"] == 1
    (container,) = pod_spec(daemon)["containers"]
    assert container["livenessProbe"]["exec"]["command"] == ["reportsync", "health"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "status"}
    (port,) = container["ports"]
    assert daemon["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(
        port["containerPort"]
    )


def test_a_missing_day_is_a_failed_job_and_not_a_crash_loop(jobs: Path) -> None:
    (cron,) = documents(jobs / "kubernetes" / "cronjob.yaml")
    (backfill,) = documents(jobs / "kubernetes" / "backfill.yaml")
    spec = cron["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["timeZone"] == "Etc/UTC"
    assert 0 < spec["startingDeadlineSeconds"] < 3600
    for job in (spec["jobTemplate"]["spec"], backfill["spec"]):
        assert job["backoffLimit"] == 0
        assert job["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 3600


@pytest.mark.tool(module="compose_spec")
def test_compose_takes_its_file(jobs: Path) -> None:
    from compose_spec import PyCompose

    text = (jobs / "compose" / "compose.yaml").read_text()
    found = PyCompose.from_yaml(text)
    found.validate()
    assert found.service_names() == ["reportsync"]
    with pytest.raises(ValueError, match="read_onl"):
        PyCompose.from_yaml(text.replace("read_only:", "read_onl:"))


def test_the_container_has_no_right_that_it_does_not_need(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "user", "environment"} & service.keys()
    assert service["ports"] == ["127.0.0.1:8321:8321"]
    assert service["healthcheck"]["test"] == ["CMD", "reportsync", "health"]


def test_what_the_service_uses_is_declared(jobs: Path, service: dict[str, Any]) -> None:
    (compose,) = documents(jobs / "compose" / "compose.yaml")
    assert service["secrets"] == list(compose["secrets"])
    assert "data:/var/lib/reportsync" in service["volumes"]
    assert compose["volumes"] == {"data": None}
    assert (jobs / "compose" / service["build"] / "Dockerfile").is_file()
    assert (jobs / "compose" / "config.yaml").is_file()
    ignored = (jobs / "compose" / ".gitignore").read_text().split()
    assert [one["file"].split("/")[1] + "/" for one in compose["secrets"].values()] == ignored
