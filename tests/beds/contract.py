"""docs/mqtt/asyncapi.yaml, to hold traffic against."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator

DOCS = Path(__file__).parents[2] / "docs" / "mqtt"
CONTRACT: dict[str, Any] = yaml.safe_load((DOCS / "asyncapi.yaml").read_text())


def follow(reference: str) -> Any:
    node: Any = CONTRACT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def channel_of(topic: str) -> str:
    for name, channel in CONTRACT["channels"].items():
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(channel["address"])), topic):
            return str(name)
    raise AssertionError(f"{topic} is not in the contract")


def schema_of(channel: str) -> dict[str, Any]:
    [message] = CONTRACT["channels"][channel]["messages"].values()
    return {**follow(message["$ref"])["payload"], "components": CONTRACT["components"]}


def operation_on(channel: str) -> dict[str, Any]:
    [operation] = [o for o in CONTRACT["operations"].values() if o["channel"]["$ref"] == f"#/channels/{channel}"]
    return dict(operation)


def faults(channel: str, body: object) -> list[str]:
    schema = schema_of(channel)
    found = [error.message for error in Draft7Validator(schema).iter_errors(body)]
    known = follow(schema["$ref"])["properties"]
    return found + [f"{key} is not documented" for key in (body if isinstance(body, dict) else {}) if key not in known]


def chain_breaks(events: Iterable[Mapping[str, Any]]) -> list[int]:
    """As a host checks the record from what it received: seqs whose `prev` is not the hash of the event before."""
    by_seq = {event["seq"]: event for event in events}
    breaks = []
    for seq, event in sorted(by_seq.items()):
        before = by_seq.get(seq - 1)
        if before is not None:
            hashed = {key: value for key, value in before.items() if key != "dev"}
            text = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            if hashlib.sha256(text.encode()).hexdigest() != event["prev"]:
                breaks.append(seq)
    return breaks
