"""Settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.settings import Settings, SettingsError


def test_the_defaults_are_sagemakers():
    settings = Settings.from_environment({})

    assert (settings.host, settings.port) == ("0.0.0.0", 8080)
    assert settings.model_dir == Path("/opt/ml/model")
    assert settings.detection_model.is_file()
    assert settings.request_seconds < 60
    assert settings.shutdown_seconds < 25


def test_the_environment_decides():
    settings = Settings.from_environment(
        {
            "SAGEMAKER_BIND_TO_PORT": "9000",
            "SAGEMAKER_BASE_DIR": "/elsewhere",
            "DETECTION_MODEL": "/models/other.onnx",
            "MAX_BODY_MEGABYTES": "6",
            "SERVE_HOST": "",
            "PATH": "/usr/bin",
        }
    )

    assert settings.port == 9000
    assert settings.host == "0.0.0.0"
    assert settings.model_dir == Path("/elsewhere/model")
    assert settings.detection_model == Path("/models/other.onnx")
    assert settings.max_body_bytes == settings.image_limits.max_bytes == 6 * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "value"),
    [("SAGEMAKER_BIND_TO_PORT", "http"), ("SERVE_THREADS", "0"), ("LOG_LEVEL", "loud")],
)
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(SettingsError, match=f"{name} is '{value}'"):
        Settings.from_environment({name: value})
