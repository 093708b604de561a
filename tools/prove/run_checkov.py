"""Runs checkov's CloudFormation checks and nothing else of it; for its own environment.

Its command line asks servers for newer versions and guidelines before it begins; this does not.
Prints JSON: how many checks passed, and check, resource and name of each that failed.
"""

import json
import logging
import sys

from checkov.cloudformation.runner import Runner
from checkov.runner_filter import RunnerFilter


def main(files: list[str]) -> None:
    """Check the files and print what was found."""
    logging.disable(logging.CRITICAL)
    report = Runner().run(root_folder=None, files=files, runner_filter=RunnerFilter())
    failed = [[each.check_id, each.resource, each.check_name] for each in report.failed_checks]
    print(json.dumps({"passed": len(report.passed_checks), "failed": failed}))


if __name__ == "__main__":
    main(sys.argv[1:])
