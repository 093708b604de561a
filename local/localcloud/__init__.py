"""The local cloud: this repository's own template, running on one machine without AWS.

One moto process on loopback holds the state of S3, SQS, DynamoDB, Step Functions and so on; the
modules beside this one make it *do* things: run functions, jobs and endpoints as processes, carry
events, tick schedules. Production code knows nothing of it: only ``AWS_ENDPOINT_URL`` differs.
"""
