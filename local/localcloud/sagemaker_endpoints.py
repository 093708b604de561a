"""Endpoints: the API, and what happens behind it.

moto's endpoints are InService at once and serve nothing; UpdateEndpoint is missing. On AWS:

- CreateEndpoint and UpdateEndpoint return at once; the endpoint is Creating or Updating until the
  new containers are healthy, and can be neither updated nor deleted meanwhile;
- an update is blue/green: the old containers answer until the new ones are healthy;
- then they get the traffic, and are watched for the baking time: the endpoint stays Updating and
  tells of its old configuration, and an alarm gives the traffic back (``sagemaker_baking``);
- when the new containers never become healthy, or an alarm is raised, a new endpoint is Failed, but
  an updated one goes back to InService *on its old configuration*, with a FailureReason that the
  next update clears.

One server stands for all instances of an endpoint, whose number is only kept: by the configuration,
UpdateEndpointWeightsAndCapacities and RetainAllVariantProperties. Old instances go at once
(TerminationWaitInSeconds is kept, not waited for), and nothing scales by itself. A server that dies
later is started again once; after a second death the endpoint is Failed.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.processes import CloudClosingError
from localcloud.sagemaker_api import Document, Operation, Parameters, timestamp
from localcloud.sagemaker_baking import bake
from localcloud.sagemaker_endpoint import Endpoint, described
from localcloud.sagemaker_endpoint_configs import EndpointConfigs
from localcloud.sagemaker_errors import JobInputError, RequestInvalidError
from localcloud.sagemaker_events import StateChanges, tags_of
from localcloud.sagemaker_listing import list_page
from localcloud.sagemaker_models import Models, StoredRequest
from localcloud.sagemaker_names import ArnMaker
from localcloud.sagemaker_server import Server, ServerPlan
from localcloud.sagemaker_transfer import Transfer

_log = logging.getLogger(__name__)
_STARTUP_SECONDS = 60.0
_WATCH_SECONDS = 0.2
_IN_PROGRESS = frozenset({"Creating", "Updating", "RollingBack", "Deleting"})
_EVENT_STATUS = {
    "Creating": "CREATING",
    "Updating": "UPDATING",
    "RollingBack": "ROLLING_BACK",
    "InService": "IN_SERVICE",
    "Deleting": "DELETING",
    "Failed": "FAILED",
}


class Endpoints:
    """All endpoints of this cloud."""

    def __init__(
        self,
        context: CloudContext,
        clients: Clients,
        configs: EndpointConfigs,
        models: Models,
        events: StateChanges,
    ) -> None:
        """Start empty and begin to watch the servers."""
        self._context = context
        self._clients = clients
        self._configs = configs
        self._models = models
        self._events = events
        self._arns = ArnMaker.of(context)
        self._transfer = Transfer(context, clients, "endpoint")
        self._endpoints: dict[str, Endpoint] = {}
        self._lock = threading.RLock()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="endpoint watch", daemon=True).start()

    def operations(self) -> Mapping[str, Operation]:
        """Return the operations by their API names."""
        return {
            "CreateEndpoint": self.create,
            "UpdateEndpoint": self.update,
            "UpdateEndpointWeightsAndCapacities": self.scale,
            "DescribeEndpoint": self.describe,
            "ListEndpoints": self.list_endpoints,
            "DeleteEndpoint": self.delete,
        }

    def resources(self) -> Iterator[Endpoint]:
        """Return everything that can be tagged."""
        return iter(list(self._endpoints.values()))

    def close(self) -> None:
        """Stop watching: servers that end from now on stay ended."""
        self._closed.set()

    @contextmanager
    def borrow_server(self, name: str) -> Iterator[Server | None]:
        """Give the server that answers for an endpoint, None when nothing does.

        The server lives at least until the borrower is done with it, also when an update or a
        deletion wants to stop it.
        """
        with self._lock:
            endpoint = self._endpoints.get(name)
            server = None if endpoint is None else endpoint.server
            if server is not None:
                server.begin_request()
        try:
            yield server
        finally:
            if server is not None:
                server.end_request()

    def async_config(self, name: str) -> Parameters | None:
        """Return the AsyncInferenceConfig of what an endpoint serves, None when it has none."""
        with self._lock:
            endpoint = self._endpoints.get(name)
            deployed = None if endpoint is None else endpoint.deployed
            return None if deployed is None else deployed.request.get("AsyncInferenceConfig")

    def create(self, request: Parameters) -> Document:
        """Begin to create an endpoint."""
        name = request["EndpointName"]
        config = self._configs.find(request["EndpointConfigName"])
        arn = self._arns.make("endpoint", name)
        with self._lock:
            if name in self._endpoints:
                raise RequestInvalidError(f'Cannot create already existing endpoint "{arn}".')
            endpoint = Endpoint(name, arn, list(request.get("Tags", [])))
            self._endpoints[name] = endpoint
            self._begin(endpoint, config, request, "Creating")
        return {"EndpointArn": arn}

    def update(self, request: Parameters) -> Document:
        """Begin to move an endpoint to another configuration."""
        with self._lock:
            endpoint = self._find(request["EndpointName"])
            config = self._configs.find(request["EndpointConfigName"])
            self._refuse_when_busy(endpoint)
            if endpoint.server is None:
                raise RequestInvalidError(
                    f'Cannot update endpoint "{endpoint.arn}" in status {endpoint.status}: delete '
                    "it and create it again."
                )
            if not _retains_instances(request):
                endpoint.instances = None
            self._begin(endpoint, config, request, "Updating")
        return {"EndpointArn": endpoint.arn}

    def scale(self, request: Parameters) -> Document:
        """Change the number of instances; the one server stands for all of them."""
        with self._lock:
            endpoint = self._find(request["EndpointName"])
            self._refuse_when_busy(endpoint)
            for each in request["DesiredWeightsAndCapacities"]:
                endpoint.instances = each.get("DesiredInstanceCount", endpoint.instances)
            self._set(endpoint, "Updating")
            self._set(endpoint, "InService")
        return {"EndpointArn": endpoint.arn}

    def describe(self, request: Parameters) -> Document:
        """Return an endpoint; raises RequestInvalidError when there is none."""
        with self._lock:
            return described(self._find(request["EndpointName"]))

    def list_endpoints(self, request: Parameters) -> Document:
        """Return a page of endpoints."""
        with self._lock:
            page, token = list_page(self._endpoints.values(), request, newest_first=True)
            endpoints = [
                {
                    "EndpointName": endpoint.name,
                    "EndpointArn": endpoint.arn,
                    "CreationTime": endpoint.creation_time,
                    "LastModifiedTime": endpoint.last_modified_time,
                    "EndpointStatus": endpoint.status,
                }
                for endpoint in page
            ]
        return {"Endpoints": endpoints, "NextToken": token}

    def delete(self, request: Parameters) -> None:
        """Begin to delete an endpoint."""
        with self._lock:
            endpoint = self._find(request["EndpointName"])
            self._refuse_when_busy(endpoint)
            server, endpoint.server = endpoint.server, None
            self._set(endpoint, "Deleting")
        threading.Thread(target=self._remove, args=(endpoint, server), daemon=True).start()

    def _begin(
        self, endpoint: Endpoint, config: StoredRequest, request: Parameters, status: str
    ) -> None:
        endpoint.pending, endpoint.pending_since = config, timestamp()
        endpoint.failure = None
        deployment = request.get("DeploymentConfig")
        if deployment is not None or not request.get("RetainDeploymentConfig"):
            endpoint.deployment_config = deployment
        self._set(endpoint, status)
        threading.Thread(
            target=self._deploy,
            args=(endpoint, config),
            name=f"deploy {endpoint.name}",
            daemon=True,
        ).start()

    def _deploy(self, endpoint: Endpoint, config: StoredRequest) -> None:
        server: Server | None = None
        try:
            server = self._new_server(endpoint, config)
            server.launch()
            failure = None if server.wait_until_healthy() else _unhealthy(server.plan.variant)
        except (JobInputError, RequestInvalidError, CloudClosingError) as error:
            failure = str(error)
        except Exception as error:
            _log.exception("Deploying endpoint %s met an internal error.", endpoint.name)
            failure = f"Request to service failed: {error!r}"
        if server is not None and failure is None:
            failure = self._give_traffic(endpoint, server)
        if server is not None and failure is None:
            self._switch(endpoint, config, server)
        else:
            self._roll_back(endpoint, server, failure)

    def _give_traffic(self, endpoint: Endpoint, server: Server) -> str | None:
        """Let the new server answer; return why it must not go on, None when it may."""
        with self._lock:
            if endpoint.server is None:
                return None
            endpoint.standby, endpoint.server = endpoint.server, server
        return bake(self._clients, server, endpoint.deployment_config, self._closed)

    def _new_server(self, endpoint: Endpoint, config: StoredRequest) -> Server:
        variant = config.request["ProductionVariants"][0]
        instance = f"i-{uuid.uuid4().hex[:17]}"
        home = self._context.home / "sagemaker" / "endpoints"
        plan = ServerPlan(
            variant=variant["VariantName"],
            container=self._models.served_container(variant["ModelName"]),
            directory=home / endpoint.name / config.name / instance,
            log_group=f"/aws/sagemaker/Endpoints/{endpoint.name}",
            log_stream=f"{variant['VariantName']}/{instance}",
            startup_seconds=variant.get(
                "ContainerStartupHealthCheckTimeoutInSeconds", _STARTUP_SECONDS
            ),
            capture=config.request.get("DataCaptureConfig", {}),
        )
        return Server(self._context, self._clients, self._transfer, plan)

    def _switch(self, endpoint: Endpoint, config: StoredRequest, server: Server) -> None:
        with self._lock:
            old, endpoint.server, endpoint.standby = endpoint.standby, server, None
            endpoint.deployed, endpoint.pending = config, None
            endpoint.restarted = False
            endpoint.image = {
                "SpecifiedImage": server.plan.container.image,
                "ResolvedImage": server.plan.container.image,
                "ResolutionTime": timestamp(),
            }
            self._set(endpoint, "InService")
        if old is not None:
            old.stop()

    def _roll_back(self, endpoint: Endpoint, server: Server | None, failure: str | None) -> None:
        if endpoint.server is not None:
            with self._lock:
                if endpoint.standby is not None:
                    endpoint.server, endpoint.standby = endpoint.standby, None
                self._set(endpoint, "RollingBack")
        if server is not None:
            server.stop()
        with self._lock:
            endpoint.failure = failure
            endpoint.pending = None
            self._set(endpoint, "Failed" if endpoint.server is None else "InService")

    def _remove(self, endpoint: Endpoint, server: Server | None) -> None:
        if server is not None:
            server.stop()
        with self._lock:
            del self._endpoints[endpoint.name]

    def _watch(self) -> None:
        while not self._closed.wait(_WATCH_SECONDS):
            for endpoint in list(self._endpoints.values()):
                server = endpoint.standby or endpoint.server
                if server is not None and not server.stopping and not server.is_alive():
                    self._revive(endpoint, server)

    def _revive(self, endpoint: Endpoint, server: Server) -> None:
        if endpoint.restarted:
            self._give_up(endpoint, server)
            return
        endpoint.restarted = True
        _log.warning("The server of endpoint %s ended; it is started again.", endpoint.name)
        try:
            server.relaunch()
        except (JobInputError, OSError, CloudClosingError):
            self._give_up(endpoint, server)

    def _give_up(self, endpoint: Endpoint, server: Server) -> None:
        with self._lock:
            if endpoint.server is not server:
                return
            endpoint.server = None
            if endpoint.status == "InService":
                endpoint.failure = _unhealthy(server.plan.variant)
                self._set(endpoint, "Failed")
        server.stop()

    def _find(self, name: str) -> Endpoint:
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            arn = self._arns.make("endpoint", name)
            raise RequestInvalidError(f'Could not find endpoint "{arn}".')
        return endpoint

    def _refuse_when_busy(self, endpoint: Endpoint) -> None:
        if endpoint.status in _IN_PROGRESS:
            raise RequestInvalidError(f'Cannot update in-progress endpoint "{endpoint.arn}".')

    def _set(self, endpoint: Endpoint, status: str) -> None:
        endpoint.status = status
        endpoint.last_modified_time = timestamp()
        self._events.announce(
            "Endpoint State Change",
            endpoint.arn,
            {
                **described(endpoint),
                "EndpointStatus": _EVENT_STATUS[status],
                "Tags": tags_of(endpoint.tags),
            },
        )


def _retains_instances(request: Parameters) -> bool:
    excluded = {
        each["VariantPropertyType"] for each in request.get("ExcludeRetainedVariantProperties", [])
    }
    return (
        bool(request.get("RetainAllVariantProperties")) and "DesiredInstanceCount" not in excluded
    )


def _unhealthy(variant: str) -> str:
    return (
        f"The primary container for production variant {variant} did not pass the ping health "
        "check. Please check CloudWatch logs for this endpoint."
    )
