"""How many instances an endpoint may have: a fixed number, or as many as its load asks for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retraining.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_application_autoscaling.literals import (
        ScalableDimensionType,
        ServiceNamespaceType,
    )

_NAMESPACE: "ServiceNamespaceType" = "sagemaker"
_DIMENSION: "ScalableDimensionType" = "sagemaker:variant:DesiredInstanceCount"
_VARIANT = "AllTraffic"
_SCALE_OUT_AFTER_SECONDS = 60
# Instances take minutes to start: a short lull must not send them away.
_SCALE_IN_AFTER_SECONDS = 600


@dataclass(frozen=True)
class Scaler:
    """Keeps the scaling of one endpoint as the settings say; may be called at any time."""

    client: "ApplicationAutoScalingClient"
    settings: Settings

    def set(self) -> str:
        """Register, change or remove the scaling; return what it is now, in one sentence."""
        if self.settings.endpoint_max_instance_count == 0:
            return self._remove()
        lowest, highest = self._limits
        self.client.register_scalable_target(
            ServiceNamespace=_NAMESPACE,
            ResourceId=self._resource,
            ScalableDimension=_DIMENSION,
            MinCapacity=lowest,
            MaxCapacity=highest,
        )
        self.client.put_scaling_policy(
            PolicyName=f"{self.settings.prefix}-load",
            ServiceNamespace=_NAMESPACE,
            ResourceId=self._resource,
            ScalableDimension=_DIMENSION,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": float(self.settings.endpoint_invocations_per_instance),
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
                },
                "ScaleOutCooldown": _SCALE_OUT_AFTER_SECONDS,
                "ScaleInCooldown": _SCALE_IN_AFTER_SECONDS,
            },
        )
        return f"The endpoint has {lowest} to {highest} instances, as its load asks for."

    @property
    def _limits(self) -> tuple[int, int]:
        lowest = self.settings.endpoint_instance_count
        return lowest, max(lowest, self.settings.endpoint_max_instance_count)

    @property
    def _resource(self) -> str:
        return f"endpoint/{self.settings.endpoint_name}/variant/{_VARIANT}"

    def _remove(self) -> str:
        found = self.client.describe_scalable_targets(
            ServiceNamespace=_NAMESPACE,
            ResourceIds=[self._resource],
            ScalableDimension=_DIMENSION,
        )
        if found["ScalableTargets"]:
            # Its policies and their alarms go with it.
            self.client.deregister_scalable_target(
                ServiceNamespace=_NAMESPACE,
                ResourceId=self._resource,
                ScalableDimension=_DIMENSION,
            )
        return "The endpoint has a fixed number of instances."
