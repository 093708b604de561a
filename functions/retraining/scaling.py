"""How many instances an endpoint may have: a fixed number, or as many as its load asks for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from retraining.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_application_autoscaling.literals import (
        ScalableDimensionType,
        ServiceNamespaceType,
    )
    from mypy_boto3_application_autoscaling.type_defs import (
        TargetTrackingScalingPolicyConfigurationTypeDef,
    )
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import DimensionTypeDef

_NAMESPACE: "ServiceNamespaceType" = "sagemaker"
_DIMENSION: "ScalableDimensionType" = "sagemaker:variant:DesiredInstanceCount"
_VARIANT = "AllTraffic"
_METRICS = "AWS/SageMaker"
_SCALE_OUT_AFTER_SECONDS = 60
# Instances take minutes to start: a short lull must not send them away.
_SCALE_IN_AFTER_SECONDS = 600


@dataclass(frozen=True)
class Scaler:
    """Keeps the scaling of one endpoint as the settings say; may be called at any time."""

    client: "ApplicationAutoScalingClient"
    cloudwatch: "CloudWatchClient"
    settings: Settings

    def set(self) -> str:
        """Register, change or remove the scaling; return what it is now, in one sentence."""
        if self.settings.endpoint_async:
            return self._follow_backlog()
        self.cloudwatch.delete_alarms(AlarmNames=[self._wake_alarm])
        if not self.settings.endpoint_scales:
            return self._remove()
        lowest = self.settings.endpoint_instance_count
        highest = self._register(lowest)
        for policy in (self._backlog_policy, self._wake_policy):
            self._delete_policy(policy)
        self._track(
            self._load_policy,
            {
                "TargetValue": float(self.settings.endpoint_invocations_per_instance),
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
                },
            },
        )
        return f"The endpoint has {lowest} to {highest} instances, as its load asks for."

    def _follow_backlog(self) -> str:
        """Let waiting requests decide: a metric per instance, and one for when there is none.

        https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-autoscale.html
        """
        highest = self._register(0)
        self._delete_policy(self._load_policy)
        self._track(
            self._backlog_policy,
            {
                "TargetValue": float(self.settings.async_backlog_per_instance),
                "CustomizedMetricSpecification": {
                    "Namespace": _METRICS,
                    "MetricName": "ApproximateBacklogSizePerInstance",
                    "Dimensions": [self._dimension],
                    "Statistic": "Average",
                },
            },
        )
        # With no instance there is no backlog per instance: without this none would ever start.
        waking = self.client.put_scaling_policy(
            PolicyName=self._wake_policy,
            ServiceNamespace=_NAMESPACE,
            ResourceId=self._resource,
            ScalableDimension=_DIMENSION,
            PolicyType="StepScaling",
            StepScalingPolicyConfiguration={
                "AdjustmentType": "ChangeInCapacity",
                "MetricAggregationType": "Average",
                "Cooldown": _SCALE_OUT_AFTER_SECONDS,
                "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
            },
        )
        self.cloudwatch.put_metric_alarm(
            AlarmName=self._wake_alarm,
            AlarmDescription="Requests wait, and the endpoint has no instance: one is started.",
            Namespace=_METRICS,
            MetricName="HasBacklogWithoutCapacity",
            Dimensions=[self._dimension],
            Statistic="Average",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
            AlarmActions=[waking["PolicyARN"]],
        )
        return f"The endpoint has 0 to {highest} instances, as its backlog asks for."

    def _register(self, lowest: int) -> int:
        instances = self.settings.endpoint_instance_count
        highest = max(instances, self.settings.endpoint_max_instance_count)
        self.client.register_scalable_target(
            ServiceNamespace=_NAMESPACE,
            ResourceId=self._resource,
            ScalableDimension=_DIMENSION,
            MinCapacity=lowest,
            MaxCapacity=highest,
        )
        return highest

    def _track(
        self, policy: str, target: "TargetTrackingScalingPolicyConfigurationTypeDef"
    ) -> None:
        self.client.put_scaling_policy(
            PolicyName=policy,
            ServiceNamespace=_NAMESPACE,
            ResourceId=self._resource,
            ScalableDimension=_DIMENSION,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                **target,
                "ScaleOutCooldown": _SCALE_OUT_AFTER_SECONDS,
                "ScaleInCooldown": _SCALE_IN_AFTER_SECONDS,
            },
        )

    def _delete_policy(self, name: str) -> None:
        """Delete what the other kind of scaling has left."""
        try:
            self.client.delete_scaling_policy(
                PolicyName=name,
                ServiceNamespace=_NAMESPACE,
                ResourceId=self._resource,
                ScalableDimension=_DIMENSION,
            )
        except ClientError as error:
            if "No scaling policy found" not in error.response["Error"]["Message"]:
                raise

    @property
    def _dimension(self) -> "DimensionTypeDef":
        return {"Name": "EndpointName", "Value": self.settings.endpoint_name}

    @property
    def _load_policy(self) -> str:
        return f"{self.settings.prefix}-load"

    @property
    def _backlog_policy(self) -> str:
        return f"{self.settings.prefix}-backlog"

    @property
    def _wake_policy(self) -> str:
        return f"{self.settings.prefix}-wake"

    @property
    def _wake_alarm(self) -> str:
        return f"{self.settings.prefix}-endpoint-asleep"

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
