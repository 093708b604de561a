"""SageMaker's registry and one endpoint in memory, with the faults of both, for Deploy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from retraining.deployment import find_approved
from retraining.endpoint import BUSY
from retraining.failure import explain
from retraining.registry import Registry
from retraining.rollback import Attempt, find_out_why
from retraining.settings import Settings
from retraining.storage import StoredObject

from .conftest import ENVIRONMENT, NOW
from .machine_player import Ended, Player

GROUP = ENDPOINT = "ocr-retrain"
PACKAGE = "arn:aws:sagemaker:eu-central-1:123456789012:model-package/ocr-retrain/"
POLL_SECONDS = 15
START_SECONDS = 60
UNHEALTHY = (
    "The primary container for production variant AllTraffic did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint."
)
Fault = Callable[[], None]


def refused(message: str, code: str = "ValidationException") -> ClientError:
    """Make an error of SageMaker's."""
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@dataclass
class FakeSageMaker:
    """``healthy`` tells by version why its containers fail: None for a rollback without a word."""

    clock: float = 0.0
    packages: dict[int, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    endpoint: dict[str, Any] | None = None
    pending: str = ""
    ready_at: float = 0.0
    faults: dict[str, list[tuple[str, ClientError]]] = field(default_factory=dict)
    unhealthy: dict[int, str | None] = field(default_factory=dict)
    updates: list[dict[str, Any]] = field(default_factory=list)
    meanwhile: dict[str, list[Callable[[], object]]] = field(default_factory=dict)

    # --- what tests do

    def package(self, version: int, approval: str = "Approved", *, tested: bool = False) -> None:
        self.packages[version] = {
            "ModelPackageArn": f"{PACKAGE}{version}",
            "ModelPackageVersion": version,
            "ModelApprovalStatus": approval,
            "ModelPackageStatus": "Completed",
            "CreationTime": NOW + timedelta(minutes=version),
            "CustomerMetadataProperties": {"smoke_tested": "yes"} if tested else {},
            "InferenceSpecification": {
                "Containers": [{"ModelDataUrl": f"s3://{ENVIRONMENT['BUCKET']}/models/{version}"}]
            },
        }

    def fail(
        self, operation: str, error: ClientError, *, times: int = 1, done: bool = False
    ) -> None:
        """Let the next calls of an operation fail, ``done`` after they did their work."""
        self.faults.setdefault(operation, []).extend([("done" if done else "", error)] * times)

    def before(self, operation: str, act: Callable[[], object]) -> None:
        """Let somebody else act just before the next call of an operation."""
        self.meanwhile.setdefault(operation, []).append(act)

    def approval(self, version: int) -> str:
        return str(self.packages[version]["ModelApprovalStatus"])

    @property
    def served(self) -> int | None:
        """The version that answers, None when nothing does."""
        if self.endpoint is None or self.endpoint["EndpointStatus"] in ("Creating", "Failed"):
            return None
        return self.version_of(self.endpoint["EndpointConfigName"])

    def version_of(self, config: str) -> int:
        model = self.models[self.configs[config]["ProductionVariants"][0]["ModelName"]]
        return int(model["PrimaryContainer"]["ModelPackageName"].rpartition("/")[2])

    def pass_time(self, seconds: float) -> None:
        self.clock += seconds
        if self.endpoint is None or self.clock < self.ready_at:
            return
        if self.endpoint["EndpointStatus"] == "Deleting":
            self.endpoint = None
        elif self.endpoint["EndpointStatus"] in ("SystemUpdating", "RollingBack"):
            self.endpoint["EndpointStatus"] = "InService"
        elif self.pending:
            self._settle(self.endpoint)

    def _settle(self, endpoint: dict[str, Any]) -> None:
        config, self.pending = self.pending, ""
        version = self.version_of(config)
        if version not in self.unhealthy:
            endpoint.update(EndpointStatus="InService", EndpointConfigName=config)
            endpoint["ProductionVariants"][0]["DesiredInstanceCount"] = 1
            return
        creating = endpoint["EndpointStatus"] == "Creating"
        endpoint["EndpointStatus"] = "Failed" if creating else "InService"
        if self.unhealthy[version]:
            endpoint["FailureReason"] = self.unhealthy[version]

    # --- the API

    def call(self, operation: str, given: dict[str, Any]) -> Any:
        for act in self.meanwhile.pop(operation, []):
            act()
        waiting = self.faults.get(operation, [])
        when, error = waiting.pop(0) if waiting else ("", None)
        if error is not None and not when:
            raise error
        answer = getattr(self, f"_{operation}")(**given)
        if error is not None:
            raise error
        return answer

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_") or not hasattr(type(self), f"_{operation}"):
            raise AttributeError(operation)
        return lambda **given: self.call(operation, given)

    def _list_model_packages(self, **given: Any) -> Any:
        wanted = given.get("ModelApprovalStatus")
        found = [
            each
            for _, each in sorted(self.packages.items(), reverse=True)
            if wanted in (None, each["ModelApprovalStatus"])
        ]
        return {"ModelPackageSummaryList": found}

    def _describe_model_package(self, ModelPackageName: str) -> Any:
        version = int(ModelPackageName.rpartition("/")[2])
        if version not in self.packages:
            raise refused(f"ModelPackage {ModelPackageName} does not exist.")
        return self.packages[version]

    def _update_model_package(self, ModelPackageArn: str, **given: Any) -> Any:
        package = self._describe_model_package(ModelPackageArn)
        metadata = given.pop("CustomerMetadataProperties", {})
        package.update(given)
        package["CustomerMetadataProperties"].update(metadata)
        return {}

    def _create_model(self, ModelName: str, **given: Any) -> Any:
        self._describe_model_package(given["PrimaryContainer"]["ModelPackageName"])
        if ModelName in self.models:
            raise refused(f'Cannot create already existing model "{ModelName}".')
        self.models[ModelName] = given
        return {}

    def _describe_model(self, ModelName: str) -> Any:
        if ModelName not in self.models:
            raise refused(f'Could not find model "{ModelName}".')
        return self.models[ModelName]

    def _create_endpoint_config(self, EndpointConfigName: str, **given: Any) -> Any:
        if EndpointConfigName in self.configs:
            raise refused("Cannot create already existing endpoint configuration.")
        self.configs[EndpointConfigName] = given
        return {}

    def _describe_endpoint_config(self, EndpointConfigName: str) -> Any:
        if EndpointConfigName not in self.configs:
            raise refused("Could not find endpoint configuration.")
        return self.configs[EndpointConfigName]

    def _create_endpoint(self, EndpointName: str, EndpointConfigName: str) -> Any:
        if self.endpoint is not None:
            raise refused(f'Cannot create already existing endpoint "{EndpointName}".')
        self.endpoint = {
            "EndpointConfigName": EndpointConfigName,
            "ProductionVariants": [{"DesiredInstanceCount": 1}],
        }
        self._begin("Creating", EndpointConfigName)
        return {}

    def _update_endpoint(self, EndpointName: str, EndpointConfigName: str, **given: Any) -> Any:
        endpoint = self._describe_endpoint(EndpointName)
        if self.pending or endpoint["EndpointStatus"] in BUSY:
            raise refused(f'Cannot update in-progress endpoint "{EndpointName}".')
        endpoint.pop("FailureReason", None)
        self.updates.append(given)
        self._begin("Updating", EndpointConfigName)
        return {}

    def _begin(self, status: str, config: str) -> None:
        assert self.endpoint is not None
        self.endpoint["EndpointStatus"] = status
        self.pending, self.ready_at = config, self.clock + START_SECONDS

    def _delete_endpoint(self, EndpointName: str) -> Any:
        self._describe_endpoint(EndpointName)["EndpointStatus"] = "Deleting"
        self.pending, self.ready_at = "", self.clock + START_SECONDS
        return {}

    def _describe_endpoint(self, EndpointName: str) -> Any:
        if self.endpoint is None:
            raise refused(f'Could not find endpoint "{EndpointName}".')
        return self.endpoint


class FakeAlarms:
    """CloudWatch with these alarms, by name their state."""

    def __init__(self, **states: str) -> None:
        self.states = states

    def describe_alarms(self, AlarmNames: list[str], AlarmTypes: list[str]) -> Any:
        found = {name: self.states[name] for name in AlarmNames if name in self.states}
        return {"MetricAlarms": [{"AlarmName": n, "StateValue": s} for n, s in found.items()]}


class FakeBucket:
    """A bucket with every model but those that were deleted."""

    def __init__(self) -> None:
        self.gone: set[str] = set()

    def key(self, uri: str) -> str:
        return uri.removeprefix(f"s3://{ENVIRONMENT['BUCKET']}/")

    def head(self, key: str) -> StoredObject | None:
        return None if key in self.gone else StoredObject(key, 1, "etag")


class DeployWorld:
    """Deploy with its real decisions, and smoke tests that pass unless a version is named."""

    def __init__(self, **settings: object) -> None:
        given = {**{name.lower(): value for name, value in ENVIRONMENT.items()}, **settings}
        self.settings = Settings.model_validate(given)
        self.sagemaker = FakeSageMaker()
        self.alarms = FakeAlarms()
        self.bucket = FakeBucket()
        self.registry = Registry(self.sagemaker, GROUP)  # type: ignore[arg-type]
        self.blind: set[int] = set()
        self.lambda_faults: dict[str, list[Exception]] = {}
        self.announced: list[dict[str, Any]] = []
        self.smoke_tests: list[int | None] = []
        self.numbers = iter(range(10_000))

    def deploy(self) -> Ended:
        """Run one execution of Deploy to its end."""
        return self.player().run({"requested_by": "test"})

    def player(self) -> Player:
        functions: dict[str, Callable[[dict[str, Any]], Any]] = {
            "FindApproved": self._find_approved,
            "FindOutWhy": self._find_out_why,
            "SmokeTest": self._smoke_test,
            "ScaleEndpoint": lambda given: {"why": "fixed"},
            "CleanUp": lambda given: {"configs": [], "models": []},
            "ExplainFailure": lambda given: {"reason": explain(**given).reason},
            "AnnounceResult": self._announce,
        }
        actions = {
            "createModel": "create_model",
            "createEndpointConfig": "create_endpoint_config",
            "createEndpoint": "create_endpoint",
            "updateEndpoint": "update_endpoint",
            "deleteEndpoint": "delete_endpoint",
            "describeEndpoint": "describe_endpoint",
            "updateModelPackage": "update_model_package",
        }
        return Player(
            "deploy",
            {
                **{f"{name}FunctionArn": name for name in functions},
                "EndpointName": ENDPOINT,
                "EndpointPollSeconds": POLL_SECONDS,
                "EndpointInstanceType": "ml.g4dn.xlarge",
                "EndpointInstanceCount": self.settings.endpoint_instance_count,
                "InferenceAmiVersion": "",
                "ModelExecutionRoleArn": "arn:aws:iam::123456789012:role/model",
            },
            {
                **{name: self._guarded(name, each) for name, each in functions.items()},
                **{
                    f"sagemaker:{action}": self._sdk(operation)
                    for action, operation in actions.items()
                },
            },
            self.sagemaker.pass_time,
        )

    def _sdk(self, operation: str) -> Callable[[dict[str, Any]], Any]:
        return lambda given: self.sagemaker.call(operation, given)

    def _guarded(
        self, name: str, work: Callable[[dict[str, Any]], Any]
    ) -> Callable[[dict[str, Any]], Any]:
        def call(given: dict[str, Any]) -> Any:
            faults = self.lambda_faults.get(name, [])
            if faults:
                raise faults.pop(0)
            return work(given)

        return call

    def _find_approved(self, given: dict[str, Any]) -> Any:
        return find_approved(
            self.registry,
            self.sagemaker,  # type: ignore[arg-type]
            self.alarms,  # type: ignore[arg-type]
            self.bucket,  # type: ignore[arg-type]
            self.settings,
            now=lambda: datetime.fromtimestamp(self.sagemaker.clock, UTC),
            token=lambda: f"{next(self.numbers):04x}",
        )

    def _find_out_why(self, given: dict[str, Any]) -> Any:
        return find_out_why(Attempt.model_validate(given), self.registry, self.sagemaker)  # type: ignore[arg-type]

    def _smoke_test(self, given: dict[str, Any]) -> Any:
        served = self.sagemaker.served
        self.smoke_tests.append(served)
        if served in self.blind:
            return {"passed": False, "lines": 20, "right": 1, "why": "It reads 1 of 20 lines."}
        self.registry.mark_smoke_tested(given["package_arn"])
        return {"passed": True, "lines": 20, "right": 20, "why": "It reads 20 of 20 lines."}

    def _announce(self, given: dict[str, Any]) -> Any:
        self.announced.append(given["result"])
        return {}
