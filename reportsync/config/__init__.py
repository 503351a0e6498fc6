"""Configuration: from a YAML file to a typed `Config`, with every problem told at once."""

from reportsync.config.loaded import Loaded, load
from reportsync.config.problems import format_problems
from reportsync.config.schema import schema
from reportsync.config.show import show, show_data
from reportsync.config.template import template

__all__ = ["Loaded", "format_problems", "load", "schema", "show", "show_data", "template"]
