"""A stand-in for the vendor's API, with faults on request: for tests, the demo and drills."""

from reportsync.sandbox.apps import SandboxApp, load_apps, sample_apps, sample_config
from reportsync.sandbox.faults import Fault, parse_faults
from reportsync.sandbox.journal import Request
from reportsync.sandbox.kinds import FAULT_HELP, KINDS
from reportsync.sandbox.server import Sandbox

__all__ = [
    "FAULT_HELP", "KINDS", "Fault", "Request", "Sandbox", "SandboxApp", "load_apps",
    "parse_faults", "sample_apps", "sample_config",
]  # fmt: skip
