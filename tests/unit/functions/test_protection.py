"""Keys and networks: which parts of requests come of the parameters."""

import re
from typing import Any

import botocore.session
import pytest

from retraining import protection
from retraining.settings import Settings

from .conftest import ENVIRONMENT

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SHAPES = (
    "TrainingInstanceType",
    "ProcessingInstanceType",
    "ProductionVariantInstanceType",
    "TransformInstanceType",
)
# Of all families that SageMaker knows, by the local storage that Amazon EC2 lists for them.
WITHOUT_DISKS = frozenset(
    {"c4", "c5", "c5n", "c6g", "c6gn", "c6i", "c6in", "c7g", "c7i", "c7i-flex", "c8g", "c8i"}
    | {"c8i-flex", "inf1", "inf2", "m4", "m5", "m6g", "m6i", "m7i", "m7i-flex", "m8g", "m8i"}
    | {"m8i-flex", "p2", "p3", "r5", "r6g", "r6i", "r7i", "r8g", "r8i", "r8i-flex", "t2", "t3"}
)
WITH_DISKS = frozenset(
    {"c5d", "c6gd", "dl1", "g4dn", "g5", "g6", "g6e", "g7", "g7e", "m5d", "m6gd", "p3dn", "p4d"}
    | {"p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300", "p6e-gb200", "r5d", "r6gd", "r7gd"}
    | {"trn1", "trn1n", "trn2"}
)


def settings(**given: str) -> Settings:
    return Settings.from_environment({**ENVIRONMENT, **given})


def known_families() -> set[str]:
    model = botocore.session.get_session().get_service_model("sagemaker")
    kinds = {kind for shape in SHAPES for kind in model.shape_for(shape).enum}
    return {re.match(r"ml\.([a-z0-9-]+)\.", kind)[1] for kind in kinds}  # type: ignore[index]


@pytest.mark.parametrize("family", sorted(WITH_DISKS | WITHOUT_DISKS))
def test_disks_of_the_instance_itself_are_told_by_its_family(family: str) -> None:
    assert protection.has_local_disks(f"ml.{family}.xlarge") is (family in WITH_DISKS)


def test_every_family_that_sagemaker_knows_was_looked_up() -> None:
    assert known_families() <= WITH_DISKS | WITHOUT_DISKS


def test_without_parameters_nothing_is_added_to_any_request() -> None:
    given = settings(ENDPOINT_INSTANCE_TYPE="ml.c5.xlarge")
    assert protection.network(given) == {}
    assert protection.network_identity(given) == ""
    assert protection.output_key(given) == {}
    assert protection.job_volume_key(given, "ml.c5.xlarge") == {}
    assert protection.endpoint_options(given) == {}


def test_a_key_is_asked_for_where_the_instance_takes_one() -> None:
    given = settings(KMS_KEY_ARN=KEY, ENDPOINT_INSTANCE_TYPE="ml.c5.xlarge")
    assert protection.job_volume_key(given, "ml.c5.2xlarge") == {"VolumeKmsKeyId": KEY}
    assert protection.job_volume_key(given, "ml.g5.xlarge") == {}
    assert protection.output_key(given) == {"KmsKeyId": KEY}
    assert protection.endpoint_options(given) == {"KmsKeyId": KEY}


def test_captured_requests_are_kept_under_the_key_even_where_volumes_take_none() -> None:
    options = protection.endpoint_options(
        settings(
            KMS_KEY_ARN=KEY, ENDPOINT_INSTANCE_TYPE="ml.g4dn.xlarge", DATA_CAPTURE_PERCENT="25"
        )
    )
    assert "KmsKeyId" not in options
    capture: dict[str, Any] = options["DataCaptureConfig"]
    assert capture["KmsKeyId"] == KEY
    assert capture["InitialSamplingPercentage"] == 25
    assert capture["DestinationS3Uri"] == f"s3://{ENVIRONMENT['BUCKET']}/captured"


def test_a_network_is_given_as_lists_and_named_whatever_their_order() -> None:
    one = settings(VPC_SUBNET_IDS="subnet-1,subnet-2", VPC_SECURITY_GROUP_IDS="sg-1")
    other = settings(VPC_SUBNET_IDS="subnet-2,subnet-1", VPC_SECURITY_GROUP_IDS="sg-1")
    assert protection.network(one) == {
        "VpcConfig": {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    }
    assert protection.network_identity(one) == protection.network_identity(other)
