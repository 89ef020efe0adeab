"""Home Assistant's device discovery: one retained message, and the door appears there with its entities.

Read-only on purpose: no lock entity, since Home Assistant's would send a plain unsigned UNLOCK.
Format: home-assistant.io/integrations/mqtt, "Device discovery payload".
"""

from typing import Any

from appliance.facts import EventType
from appliance.fleet.topics import Names, Payload

_EVENT_NAMES = {EventType.ACCESS: "Access", EventType.SPOOF: "Spoof attempt", EventType.TAMPER: "Tamper"}


def announcement(names: Names, version: str, simulated: bool) -> Payload:
    """The payload for `names.discovery`, retained."""
    device = f"lintel_{names.site}_{names.door}"
    return {
        "dev": {
            "ids": [device],
            "name": f"Door {names.door}",
            "mf": "Lintel",
            "mdl": "Simulated door" if simulated else "Door",
            "sw": version,
            "sa": names.site,
        },
        "o": {"name": "lintel", "sw": version},
        "avty_t": names.conn,
        "avty_tpl": "{{ 'online' if value_json.st == 'online' else 'offline' }}",
        "qos": 1,
        "cmps": {
            "state": _state(device, names),
            "leaf": _open(device, names),
            "lock": _released(device, names),
            "alarm": _alarm(device, names),
            "outbox": _outbox(device, names),
            **{f"last_{kind.value}": _last(device, names, kind, word) for kind, word in _EVENT_NAMES.items()},
        },
    }


def _state(device: str, names: Names) -> dict[str, Any]:
    return {
        "p": "sensor",
        "uniq_id": f"{device}_state",
        "name": "State",
        "stat_t": names.state,
        "val_tpl": "{{ value_json.state }}",
        "ic": "mdi:door",
    }


def _open(device: str, names: Names) -> dict[str, Any]:
    # Neither payload matches while the contact is unknown: the entity keeps what it had.
    return {
        "p": "binary_sensor",
        "uniq_id": f"{device}_leaf",
        "name": "Leaf",
        "dev_cla": "door",
        "stat_t": names.state,
        "val_tpl": "{{ value_json.contact }}",
        "pl_on": "open",
        "pl_off": "closed",
    }


def _released(device: str, names: Names) -> dict[str, Any]:
    # Home Assistant's class `lock`: on means unlocked.
    return {
        "p": "binary_sensor",
        "uniq_id": f"{device}_lock",
        "name": "Lock",
        "dev_cla": "lock",
        "stat_t": names.state,
        "val_tpl": "{{ value_json.lock }}",
        "pl_on": "released",
        "pl_off": "secure",
    }


def _alarm(device: str, names: Names) -> dict[str, Any]:
    return {
        "p": "binary_sensor",
        "uniq_id": f"{device}_alarm",
        "name": "Forced or held",
        "dev_cla": "problem",
        "stat_t": names.state,
        "val_tpl": "{{ 'ON' if value_json.state in ('FORCED', 'HELD') else 'OFF' }}",
    }


def _outbox(device: str, names: Names) -> dict[str, Any]:
    return {
        "p": "sensor",
        "uniq_id": f"{device}_outbox",
        "name": "Outbox",
        "ent_cat": "diagnostic",
        "stat_cla": "measurement",
        "stat_t": names.health,
        "val_tpl": "{{ value_json.outbox }}",
    }


def _last(device: str, names: Names, kind: EventType, word: str) -> dict[str, Any]:
    return {
        "p": "sensor",
        "uniq_id": f"{device}_last_{kind.value}",
        "name": f"Last {word.lower()}",
        "stat_t": names.event(kind),
        "val_tpl": "{{ value_json.why }}",
        "json_attr_t": names.event(kind),
        "ic": "mdi:history",
    }
