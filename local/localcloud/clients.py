"""boto3 clients that the cloud's own parts use to talk to the cloud they run in."""

from __future__ import annotations

import threading
from typing import Any

import boto3
from botocore.config import Config

from localcloud.context import CloudContext
from localcloud.untyped import Client

OWN_CALLS = "localcloud"
"""The access key id of the cloud's own parts: what they ask is no call of the application."""


class Clients:
    """Makes one client per service and keeps it: clients are thread-safe, making one is not."""

    def __init__(self, endpoint_url: str, region: str) -> None:
        """Point all clients at ``endpoint_url``."""
        self._endpoint_url = endpoint_url
        self._region = region
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        # Typed as untyped: the stubs know a different client for each of 300 service names.
        self._session: Client = boto3.session.Session(
            aws_access_key_id=OWN_CALLS, aws_secret_access_key="local", region_name=region
        )

    @classmethod
    def of(cls, context: CloudContext) -> Clients:
        """Return clients for a running cloud."""
        return cls(context.endpoint_url, context.region)

    def get(self, service: str) -> Client:
        """Return the client of a service by its boto3 name."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service,
                    endpoint_url=self._endpoint_url,
                    config=Config(
                        # A slow invocation must not be sent twice behind the caller's back.
                        retries={"total_max_attempts": 1},
                        connect_timeout=10,
                        read_timeout=1000,
                        max_pool_connections=64,
                        s3={"addressing_style": "path"},
                    ),
                )
            return self._clients[service]
