"""`lintel [--config FILE]… COMMAND`: the one entry point. Each command loads only what it needs."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from appliance import __version__, config
from appliance.errors import LintelError

COMMANDS = {
    "run": "start the whole appliance in this terminal",
    "people": "enrol people, list them, set PINs, erase them",
    "rules": "set who may enter when, and what the door asks for",
    "why": "explain why somebody can enter at some time, or cannot",
    "unlock": "open the door once, from here",
    "lockdown": "shut the door to everybody outside, or lift that",
    "pass": "issue passes to visitors, list and revoke them",
    "events": "show the record of decisions",
    "doctor": "check this machine and say what to do",
    "bench": "measure the face chain on this machine",
    "calibrate": "set the threshold by the site's own enrolled faces",
    "evaluate": "measure error rates on a folder of pictures",
}
MODULES = {"pass": "passes"}
"""Commands whose module cannot bear their name."""
DAEMONS = {
    "door": "own the lock, the buttons and the keypad",
    "vision": "own the camera and the models",
    "net": "own the page and the broker link",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, load the settings, run. Returns the exit code: 0 well, 1 failed, 2 wrong use or settings."""
    # Before NumPy is loaded: for products this small, threads cost more than they save, and fight over a busy core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = _parser()
    args = parser.parse_args(argv)
    _log_to_stderr(args.verbose)
    try:
        if args.command in DAEMONS:
            return _daemon(args.command, args.rest, load_config(args.config))
        command = importlib.import_module(f"appliance.commands.{MODULES.get(args.command, args.command)}")
        sub = argparse.ArgumentParser(prog=f"lintel {args.command}", description=COMMANDS[args.command])
        command.add_arguments(sub)
        options = sub.parse_args(args.rest, namespace=argparse.Namespace(config_files=args.config))
        return int(command.run(options, load_config(args.config)))
    except LintelError as error:
        print(f"lintel: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `lintel events | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _daemon(name: str, rest: Sequence[str], loaded: config.Config) -> int:
    parser = argparse.ArgumentParser(prog=f"lintel {name}", description=f"{DAEMONS[name]}; a service manager runs this")
    if name == "door":
        parser.add_argument("--rest", action="store_true", help="only return the relay to rest (after a kill)")
    options = parser.parse_args(rest)
    daemon = importlib.import_module(f"appliance.daemons.{name}")
    return int(daemon.rest(loaded) if getattr(options, "rest", False) else daemon.main(loaded))


def load_config(files: Sequence[Path]) -> config.Config:
    """The files named, else the site's, else the embedded default (everything simulated, under the home folder).

    Raises ConfigError.
    """
    if files or config.SITE_FILE.exists():
        return config.load(*files)
    return config.embedded()


def _parser() -> argparse.ArgumentParser:
    table = "\n".join(f"  {name:<10}{about}" for name, about in (COMMANDS | DAEMONS).items())
    parser = argparse.ArgumentParser(
        prog="lintel",
        description="Touchless access control on the device itself.",
        epilog=f"commands:\n{table}\n\n`lintel COMMAND --help` tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"lintel {__version__}")
    parser.add_argument(
        "--config", type=Path, action="append", default=[], metavar="FILE", help="repeat to layer files"
    )
    parser.add_argument("--verbose", action="store_true", help="log details too")
    parser.add_argument("command", choices=[*COMMANDS, *DAEMONS], metavar="COMMAND", help="one of those below")
    # What follows the command is the command's own, options included.
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _log_to_stderr(verbose: bool) -> None:
    stamp = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s "  # the journal stamps by itself
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(stream=sys.stderr, level=level, format=f"{stamp}%(levelname)s %(name)s: %(message)s")


if __name__ == "__main__":
    sys.exit(main())
