"""The JSON Schema of a config file as it is written, for editors. Pure."""

from __future__ import annotations

from typing import Any

from reportsync.config.problems import BLOCKS, TOP
from reportsync.settings import Config, Schedule, Settings


def schema() -> dict[str, Any]:
    """Return a JSON Schema (draft 2020-12) of the file before references are replaced.

    Values may be text or, where that says the same, numbers; types, defaults and sentences are
    those of `settings`.
    """
    made = Config.model_json_schema()
    definitions = {name: _definition(block) for name, block in made.pop("$defs").items()}
    definitions["Schedule"] = _definition(Schedule.model_json_schema())
    for name, model in BLOCKS.items():
        fields = definitions[model.__name__]["properties"]
        _describe_defaults(Schedule if name == "apps" else model, fields)
        _describe_limits(model, fields)
    definitions["App"] |= {"anyOf": [{"required": ["data_center"]}, {"required": ["base_url"]}]}
    blocks = {name: _optional(BLOCKS[name].__name__) for name in TOP if name != "apps"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "reportsync configuration",
        "type": "object",
        "additionalProperties": False,
        "required": ["apps"],
        "properties": {"apps": made["properties"]["apps"], **blocks},
        "$defs": definitions,
    }


def _definition(block: dict[str, Any]) -> dict[str, Any]:
    block = {key: value for key, value in block.items() if key != "title"}
    block["properties"] = {
        key: {word: value for word, value in field.items() if word not in ("title", "default")}
        for key, field in block["properties"].items()
    }
    return block


def _optional(name: str) -> dict[str, Any]:
    """Return the schema of a block that may be left empty."""
    return {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}


def _describe_defaults(model: type[Settings], fields: dict[str, Any]) -> None:
    """Write the defaults as a config file does: `2h`, not a number of seconds."""
    for key, value in model().model_dump(mode="json").items():
        fields[key]["default"] = value


def _describe_limits(model: type[Settings], fields: dict[str, Any]) -> None:
    """Add the bounds of numbers, which a hand-written form of a value leaves out."""
    for key, field in model.model_fields.items():
        for limit in field.metadata:
            for word, name in (("minimum", "ge"), ("maximum", "le")):
                if hasattr(limit, name):
                    fields[key][word] = getattr(limit, name)
