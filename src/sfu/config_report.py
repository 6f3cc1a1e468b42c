"""What is wrong with a configuration, one line each: the source, the key, the fault, the accepted form."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sfu.errors import ConfigError

ACCEPTED_ADDRESS = 'an IPv4 or IPv6 address, like "192.0.2.1"'
ACCEPTED_ICE_URL = "stun:host[:port], stuns:…, turn:host[:port][?transport=udp|tcp] or turns:…"


class ConfigErrors(ExceptionGroup[ConfigError]):
    """All that is wrong, so that one run names everything that has to be corrected."""

    def derive(self, excs: Sequence[ConfigError]) -> ConfigErrors:  # type: ignore[override]
        return ConfigErrors(self.message, excs)

    def lines(self) -> list[str]:
        """One line for each fault."""
        return [str(error).replace("\n", " ") for error in self.exceptions]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where values came from: what the file did not say, the environment or the command line did."""

    file: str
    environment: Mapping[str, Any]
    overrides: Mapping[str, Any]
    env_prefix: str
    env_delimiter: str

    def name_of(self, path: Sequence[str | int]) -> str:
        """File, environment variable or command line that set the value at ``path``."""
        if _holds(self.overrides, path):
            return "command line"
        if _holds(self.environment, path):
            keys = [str(part) for part in path if isinstance(part, str)]
            return f"environment {self.env_prefix}{self.env_delimiter.join(keys[:2]).upper()}"
        return self.file


def problems_of(error: ValidationError, model: type[BaseModel], sources: Sources) -> list[ConfigError]:
    """Every fault that validation found, each with its source, key and accepted form.

    A list with a wrong item is wrong once: the fault of the item is told, that of the list is not.
    """
    schema = model.model_json_schema()
    faults = error.errors(include_url=False)
    inner = {fault["loc"][:depth] for fault in faults for depth in range(len(fault["loc"]))}
    return [_problem(fault, schema, sources) for fault in faults if fault["loc"] not in inner]


def _problem(fault: ErrorDetails, schema: Mapping[str, Any], sources: Sources) -> ConfigError:
    path: tuple[str | int, ...] = fault["loc"]
    where = f"{sources.name_of(path)}: {_dotted(path)}"
    if fault["type"] == "extra_forbidden":
        return ConfigError(where, "unknown key", _known_keys(path, schema))
    if fault["type"] == "missing":
        return ConfigError(where, "is missing", accepted_form(_schema_at(path, schema)))
    if fault["type"] == "value_error" and isinstance(fault["input"], Mapping):
        return ConfigError(where, str(fault["ctx"]["error"]))
    value = "the value" if _is_secret(_schema_at(path, schema)) else _shown(fault["input"])
    return ConfigError(where, f"{value} is not accepted", accepted_form(_schema_at(path, schema)))


def _dotted(path: Sequence[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "configuration"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _holds(tree: object, path: Sequence[str | int]) -> bool:
    """Whether ``tree`` sets the value at ``path`` or a table or list that it lies in."""
    for part in path:
        if isinstance(tree, Mapping):
            if part not in tree:
                return False
            tree = tree[part]
        else:
            return True
    return bool(tree) or not isinstance(tree, Mapping)


def _known_keys(path: Sequence[str | int], schema: Mapping[str, Any]) -> str:
    known = list(_schema_at(path[:-1], schema).get("properties", {}))
    table = _dotted(path[:-1]) if len(path) > 1 else "the file"
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"{guess}keys of {table}: {', '.join(known)}"


def _resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """``node`` with its ``$ref`` followed; keys beside the reference win."""
    if "$ref" not in node:
        return node
    target: Mapping[str, Any] = schema["$defs"][str(node["$ref"]).rsplit("/", 1)[-1]]
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def _schema_at(path: Sequence[str | int], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of the value at ``path``; empty below free-form tables."""
    node: Mapping[str, Any] = schema
    for part in path:
        if isinstance(part, int):
            node = _resolved(node.get("items", {}), schema)
        else:
            node = _resolved(node.get("properties", {}).get(part, {}), schema)
    if "items" in node:
        node = {**node, "items": _resolved(node["items"], schema)}
    return node


def _is_secret(node: Mapping[str, Any]) -> bool:
    return node.get("format") == "password"


def accepted_form(node: Mapping[str, Any]) -> str:
    """The values that a schema takes, in words: "an integer from 1 to 65535"."""
    return f"accepted: {_form(node)}" if node else ""


def _form(node: Mapping[str, Any]) -> str:
    if "accepted" in node:
        return str(node["accepted"])
    if "enum" in node:
        return "one of " + ", ".join(f'"{value}"' for value in node["enum"])
    match node.get("type"):
        case "integer":
            return "an integer" + _bounds(node)
        case "number":
            return "a number" + _bounds(node)
        case "boolean":
            return "true or false"
        case "array":
            return "a list" + _length(node) + (f", each {_form(node['items'])}" if node.get("items") else "")
        case "string":
            return _string_form(node)
        case "object":
            return "a table"
    return str(node.get("description", "see the documentation"))


def _bounds(node: Mapping[str, Any]) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    return f" from {low} to {high}" if low is not None and high is not None else ""


def _length(node: Mapping[str, Any]) -> str:
    low, high = node.get("minItems"), node.get("maxItems")
    if low is not None and high is not None:
        return f" of {low} to {high}"
    return f" of at most {high}" if high is not None else f" of at least {low}" if low is not None else ""


def _string_form(node: Mapping[str, Any]) -> str:
    description = node.get("description")
    return f"a string: {description}" if description else "a string"
