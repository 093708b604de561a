"""The environment of a Lambda function, read once and typed."""

import json
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from retraining.normalization import Normalization


class SettingsError(Exception):
    """The environment is incomplete or holds a value that cannot be used."""


def _hyperparameters(given: object) -> object:
    """SageMaker takes hyperparameters as text only, so numbers and booleans become text here."""
    values = json.loads(given) if isinstance(given, str) else given
    if not isinstance(values, dict):
        raise ValueError("must be a JSON object")
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in values.items()
    }


def _prices(given: object) -> object:
    return json.loads(given) if isinstance(given, str) else given


def _normalization(given: object) -> object:
    return Normalization.parse(given) if isinstance(given, str) else given


def _words(given: object) -> object:
    return given.split() if isinstance(given, str) else given


def _comma_separated(given: object) -> object:
    return tuple(filter(None, given.split(","))) if isinstance(given, str) else given


CommaSeparated = Annotated[tuple[str, ...], BeforeValidator(_comma_separated)]
Percent = Annotated[int, Field(ge=1, le=50)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Settings(BaseModel):
    """What the template hands to the functions.

    ``retrain_state_machine_arn`` and ``inference_image`` are empty where the template does not
    give them: only start_retraining and register_model need them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    bucket: Annotated[str, Field(min_length=3)]
    table: Annotated[str, Field(min_length=3)]
    prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,19}$")]
    model_package_group: Annotated[str, Field(min_length=1)]
    endpoint_name: Annotated[str, Field(min_length=1, max_length=63)]
    retrain_state_machine_arn: str = ""
    inference_image: str = ""
    topic_arn: str = ""
    holdout_percent: Percent = 15
    upload_wait_seconds: Annotated[int, Field(ge=0)] = 900
    min_new_lines: Annotated[int, Field(ge=1)] = 1
    max_wait_minutes: Annotated[int, Field(ge=0)] = 60
    on_missing_images: Literal["use", "reject"] = "use"
    images_per_function: Annotated[int, Field(ge=1)] = 20_000
    min_gain: Fraction = 0.01
    max_drop: Fraction = 0.01
    min_slice_lines: Annotated[int, Field(ge=1)] = 20
    significance: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    absolute_floor: Fraction = 0.5
    max_latency_factor: Annotated[float, Field(ge=0.0)] = 2.0
    non_inferiority_margin: Fraction = 0.05
    max_slice_lines: Annotated[int, Field(ge=1)] = 2000
    require_approval: bool = False
    grow_dictionary: bool = True
    min_character_lines: Annotated[int, Field(ge=1)] = 5
    text_normalization: Annotated[Normalization, BeforeValidator(_normalization)] = (
        Normalization.parse("compose,spaces")
    )
    hyperparameters: Annotated[dict[str, str], BeforeValidator(_hyperparameters)] = Field(
        default_factory=dict
    )
    smoke_test_min_accuracy: Fraction = 0.5
    code_version: str = ""
    pipeline_made_from: str = ""
    # US dollars per hour, by instance type.
    instance_prices: Annotated[
        dict[str, Annotated[float, Field(ge=0.0)]], BeforeValidator(_prices)
    ] = Field(default_factory=dict)
    endpoint_instance_type: str = ""
    endpoint_instance_count: Annotated[int, Field(ge=1)] = 1
    endpoint_max_instance_count: Annotated[int, Field(ge=0)] = 0
    endpoint_invocations_per_instance: Annotated[int, Field(ge=1)] = 600
    endpoint_async: bool = False
    async_concurrency: Annotated[int, Field(ge=1)] = 4
    async_backlog_per_instance: Annotated[int, Field(ge=1)] = 5
    async_success_topic_arn: str = ""
    async_error_topic_arn: str = ""
    bake_seconds: Annotated[int, Field(ge=0)] = 120
    rollback_alarms: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    keep_deployments: Annotated[int, Field(ge=2)] = 5
    training_instance_type: str = ""
    evaluation_instance_type: str = ""
    kms_key_arn: str = ""
    vpc_subnet_ids: CommaSeparated = ()
    vpc_security_group_ids: CommaSeparated = ()
    endpoint_hours: str = ""
    endpoint_time_zone: str = "UTC"
    data_capture_percent: Annotated[int, Field(ge=0, le=100)] = 0

    @property
    def endpoint_scales(self) -> bool:
        """Tell whether the load decides how many instances the endpoint has."""
        return self.endpoint_async or self.endpoint_max_instance_count > 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings.

        Raises SettingsError naming every variable that is missing or cannot be used.
        """
        given = {
            name: environment[name.upper()]
            for name in cls.model_fields
            if environment.get(name.upper(), "") != ""
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
                for fault in error.errors()
            )
            raise SettingsError(
                f"The function's environment cannot be used ({faults}); "
                "set these variables in the template."
            ) from error
