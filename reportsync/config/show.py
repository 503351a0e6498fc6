"""What is in force, as data and as YAML that loads again once its secrets are put back."""

from __future__ import annotations

from typing import Any

import yaml

from reportsync.config.loaded import Loaded
from reportsync.settings import Schedule


def show_data(loaded: Loaded) -> dict[str, Any]:
    """Return the effective values under the keys of a config file; secrets are masked.

    The defaults are merged into each app, an app's own keys stand before those.
    """
    config = loaded.config.model_dump(mode="json")
    config["apps"] = [
        dict(sorted(app.items(), key=lambda item: item[0] in Schedule.model_fields))
        for app in config["apps"]
    ]
    return config


def show(loaded: Loaded) -> str:
    """Return the effective values as a config file, masked, below a line with the file that won."""
    text = yaml.safe_dump(
        _escaped(show_data(loaded)), sort_keys=False, allow_unicode=True, default_flow_style=False
    )
    return f"# from {loaded.path} ({loaded.source})\n{text}"


def _escaped(value: Any) -> Any:
    """Write literal `${` so that it is not taken for a reference."""
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value.replace("${", "$${") if isinstance(value, str) else value
