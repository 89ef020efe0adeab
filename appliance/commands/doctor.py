"""`lintel doctor`: is this machine fit to run a door? Each finding says what to do. No lock moves.

Written for somebody on a ladder: short lines, the verdict last.
"""

import argparse
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from appliance import config as settings
from appliance.commands import checks, rulings, wiring
from appliance.commands.finding import Finding, Status
from appliance.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lintel doctor`."""
    parser.add_argument("--json", action="store_true", help="one JSON object, for a program")


def run(args: argparse.Namespace, config: Config) -> int:
    """Print what was found. Returns 0 if nothing failed, else 1."""
    installed = bool(args.config_files) or settings.SITE_FILE.exists()
    findings = []
    for finding in chain.from_iterable(checklist(config, installed)):
        findings.append(finding)
        if not args.json:  # at once: a camera may take seconds
            print(line(finding), flush=True)
    failed = sum(finding.status is Status.FAIL for finding in findings)
    if args.json:
        print(json.dumps({"ok": not failed, "checks": [finding.as_json() for finding in findings]}))
    else:
        print(summary(findings))
    return 1 if failed else 0


def checklist(config: Config, installed: bool) -> tuple[Iterator[Finding], ...]:
    """Every check, in the order a machine is set up; each looks when it is asked for its findings.

    Not `installed`: there is no settings file, and nothing need be there yet.
    """
    run_folder, state = Path(config.paths.run), Path(config.paths.state)
    return (
        checks.settings_in_use(installed),
        checks.models(config.paths.models),
        checks.clock(config.access.clock_unknown),
        checks.disk(state, installed),
        checks.key(state, installed),
        checks.database(state),
        rulings.rules(config),
        wiring.door(config.pins, run_folder),
        wiring.boot_lines(config.pins),
        wiring.keypad(config.keypad),
        rulings.readers(config.wiegand, config.osdp, config.pins),
        rulings.panel(config.wiegand, config.osdp_out, config.pins),
        wiring.camera(config.camera, run_folder),
        wiring.broker(config.mqtt, config.site, run_folder),
        rulings.commands(config.mqtt),
        checks.services(run_folder, installed),
    )


def line(finding: Finding) -> str:
    """One finding for a person."""
    text = f"{finding.status:<5} {finding.name:<9} {finding.detail}"
    return f"{text}\n{'':16}-> {finding.remedy}" if finding.remedy else text


def summary(findings: list[Finding]) -> str:
    """The closing line."""
    failed = [finding.name for finding in findings if finding.status is Status.FAIL]
    warned = [finding.name for finding in findings if finding.status is Status.WARN]
    if failed:
        return f"\nNot fit yet: {', '.join(failed)}."
    if warned:
        return f"\nIt will run. Look at: {', '.join(warned)}."
    return "\nAll well."
