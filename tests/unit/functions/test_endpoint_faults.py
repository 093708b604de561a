import pytest

from retraining.endpoint_faults import is_of_the_model

OF_THE_MODEL = [
    "",
    "  ",
    "The primary container for production variant AllTraffic did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint.",
    "Alarm ocr-retrain-endpoint-errors went into ALARM state during baking.",
    "Failed to extract model data archive from URL s3://b/models/m/output/model.tar.gz. Please "
    "ensure that the object located at the URL is a valid tar.gz archive.",
    "CannotStartContainerError. Please ensure the model container for variant AllTraffic starts "
    "correctly when invoked with 'docker run <image> serve'.",
]
OF_THE_ACCOUNT = [
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error.",
    "ResourceLimitExceeded: The account-level service limit 'ml.g4dn.xlarge for endpoint usage' "
    "is 0 Instances.",
    "Rate exceeded",
    "Request to service failed. If failure persists after retry, contact customer support.",
    "Access denied to model data. Please check the permissions of the role.",
    "Failed to pull the image: CannotPullContainerError",
    "An internal error occurred while alarms were read.",
    "A text that SageMaker has never used so far.",
]


@pytest.mark.parametrize("reason", OF_THE_MODEL)
def test_a_model_is_blamed_for_what_its_containers_did(reason: str) -> None:
    assert is_of_the_model(reason)


@pytest.mark.parametrize("reason", OF_THE_ACCOUNT)
def test_a_model_is_not_blamed_for_what_the_account_lacks(reason: str) -> None:
    assert not is_of_the_model(reason)
