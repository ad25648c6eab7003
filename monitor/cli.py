"""`handwheel`: parses and calls. What a user can mend is one line on stderr and exit code 2; anything else is a bug.

Each verb loads only what it needs: the screen must paint within a second, so nothing heavy is imported here.
"""

import argparse
import errno
import os
import shutil
import sys
import tomllib
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from drivers.errors import UserError
from monitor.shipped import shipped_folder
from monitor.state import State, find_state
from monitor.words import LANGUAGES, use_language

SYSTEM_CONFIG = Path("/etc/handwheel")
EPILOG = """\
a first look:     handwheel demo               a simulated utility, nothing to configure
your own plant:   handwheel init plant         a configuration to start from; then --config plant with each verb
                  handwheel check              what will be read, how, and what is wrong with it
                  handwheel probe              what a Modbus device really answers, one question at a time
                  handwheel browse             what an OPC UA server has
                  handwheel run                the daemon: reads the plant, writes nothing to it
                  handwheel screen             the control-room screen (in another terminal)
when all is dark: handwheel-manual             procedures on screen and paper; needs nothing else
"""
# verb -> (module, one line of help); the module has add_arguments(parser) and command(args, settings, state)
COMMANDS = {
    "report": ("monitor.reports.command", "make a report: the vendor comparison, the sovereignty register"),
    "why": ("monitor.why.command", "one alert: what was said, what was seen then, what was decided, what was found"),
    "review": ("monitor.review.command", "freeze the parameters of the vendor review, run it"),
    "audit": ("monitor.audit", "run a drift audit now, list or show past ones"),
    "trust": ("monitor.trust", "make our OPC UA certificate; agree to that of a server, by its fingerprint"),
    "doctor": ("monitor.doctor.command", "self-check: files, versions, sockets, clock, disk, links, ledger, binder"),
    "security-log": ("monitor.security_log", "who was let in or refused; for two people of different roles together"),
    "jobs": ("monitor.joblist", "what the worker did last, how it went, and when it is due again"),
    "clock": ("monitor.clock_command", "how far the clock can be believed; confirm it where no time service does"),
    "reload": ("monitor.reload", "let the daemon read its configuration again, all or nothing; what is different then"),
    "history": ("monitor.historian.command", "show what history there is, verify that it is as it was written"),
    "import": ("monitor.transfer.bring", "bring in history or records that lie elsewhere: CSV or Parquet"),
    "finding": ("monitor.recording", "record what was found at an inspection; bring in many; a template to fill in"),
    "workorder": ("monitor.recording", "record a job; bring in many from a maintenance system; a template to fill in"),
    "failure": ("monitor.recording", "record a failure; bring in many; a template to fill in"),
    "event": ("monitor.recording", "record a contract, firmware, price or exchanged sensor, before it is reviewed"),
    "cost": ("monitor.recording", "record what a replacement costs, planned and after a failure"),
    "reading": (
        "monitor.periods.substitute",
        "enter what was read from gauges by hand; fill a gap between values",
    ),
    "model": ("monitor.model.command", "our own model of a pump: its card, learn, score, explain, back-test"),
    "ledger": ("monitor.ledger.command", "verify, show and hand out the record of what was decided; erase from it"),
}
# the same for those that also work without a configuration: command(args, settings or None, state)
DEVICE_COMMANDS = {
    "probe": (
        "monitor.probe.command",
        "ask a Modbus device, slowly and on the record; what its answers could mean",
    ),
    "browse": ("monitor.browse", "walk through an OPC UA server and show its variables"),
    "sign": ("monitor.ledger.sums", "sign the checksums of a USB stick of the manual with the key of the ledger"),
    "export": ("monitor.transfer.export", "give out values, records, or all that there is, for any other tool"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code: 0 done, 1 a check failed, 2 something to mend."""
    words = list(sys.argv[1:] if argv is None else argv)
    args = argparse.Namespace(config=None, state=None, lang=None)
    args, rest = _common().parse_known_args(words, args)
    args = build_parser(next((word for word in rest if not word.startswith("-")), "")).parse_args(rest, args)
    use_language(args.lang or "en")
    try:
        return int(args.call(args))
    except UserError as fault:
        print(fault, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as fault:
        if fault.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"{fault.filename or 'a file'}: {fault.strerror}; mend rights or make room on the disk", file=sys.stderr)
        return 2


def _common() -> argparse.ArgumentParser:
    """What every verb takes, anywhere on the line."""
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--config", metavar="DIR", help="configuration folder (default: /etc/handwheel, else ./config)")
    common.add_argument("--state", metavar="DIR", help="state folder (default: as configured, else /var/lib/handwheel)")
    common.add_argument("--lang", choices=LANGUAGES, help="language of what operators read (default: as configured)")
    return common


def build_parser(asked: str) -> argparse.ArgumentParser:
    """All verbs; the module of a verb, which knows its options, is loaded only when that verb is asked for."""
    parser = argparse.ArgumentParser(
        prog="handwheel",
        description="The control room's own view of pumps and meters: read-only, open, there when the rest is dark.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"handwheel {version('handwheel')}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(name: str, help_text: str, call: object) -> argparse.ArgumentParser:
        sub = verbs.add_parser(
            name, parents=[_common()], help=help_text, description=help_text[0].upper() + help_text[1:]
        )
        sub.set_defaults(call=call)
        return sub

    init = verb("init", "make a configuration folder to start from, copied from the example", _init)
    init.add_argument("folder", nargs="?", default="config", help="the new folder (default: config)")
    init.add_argument("--bare", action="store_true", help="one site with one pump to be made yours, not the example")
    check = verb("check", "read the configuration, say what is wrong with it and what will be read, how", _check)
    check.add_argument("--live", action="store_true", help="also read every source once and show the values")
    check.add_argument("--flows", action="store_true", help="instead: who talks to whom, for the firewall")
    check.add_argument("--csv", action="store_true", help="with --flows: as CSV")
    check.add_argument("--nft", action="store_true", help="with --flows: as a rule set of nftables")
    for name, (module, help_text) in DEVICE_COMMANDS.items():
        sub = verb(name, help_text, _device_command(module))
        if asked == name:
            import_module(module).add_arguments(sub)
    verb("run", "the daemon: poll the plant, keep history and ledger, publish for screen and fallback", _run)
    intake = verb("intake", "take in vendor messages; a process of its own without a route to field devices", _intake)
    intake.add_argument("--once", action="store_true", help="take in what lies there now, then end")
    screen = verb("screen", "the control-room screen", _screen)
    screen.add_argument("--ui", choices=("full", "ascii", "plain"), help="how to draw (default: by the terminal)")
    for name, (module, help_text) in COMMANDS.items():
        sub = verb(name, help_text, _command(module))
        if asked == name:
            import_module(module).add_arguments(sub)
    fleet = verb("fleet", "many sites at once: health, audits, reviews and learning over their folders", _fleet)
    if asked == "fleet":
        import_module("monitor.headquarters").add_arguments(fleet)
    demo = verb("demo", "a simulated utility on loopback with everything running", _demo)
    if asked == "demo":
        import_module("monitor.demo").add_arguments(demo)
    return parser


def find_config(explicit: str | None) -> Path:
    """--config, else /etc/handwheel, else ./config; UserError where there is none."""
    if explicit:
        return Path(explicit)
    for folder in (SYSTEM_CONFIG, Path("config")):
        if (folder / "site.toml").is_file():
            return folder
    raise UserError(
        "no configuration found in /etc/handwheel or ./config; give --config DIR, make one with `handwheel init DIR`, "
        "or look at `handwheel demo`"
    )


def _state_only(args: argparse.Namespace) -> State:
    """STATE without loading the whole configuration."""
    configured = None
    try:
        site = tomllib.loads((find_config(args.config) / "site.toml").read_text("utf-8"))
        configured = site.get("paths", {}).get("state")
        use_language(args.lang or site.get("utility", {}).get("language", "en"))
    except (UserError, OSError, ValueError, AttributeError, RecursionError):
        pass  # the screen needs no configuration; `handwheel check` tells what is wrong with it
    return find_state(args.state, configured)


def _loaded(args: argparse.Namespace) -> tuple[object, State]:
    from monitor.settings import load

    settings = load(find_config(args.config))
    use_language(args.lang or settings.language)
    return settings, find_state(args.state, settings.state).with_history(settings.history)


def _command(module: str) -> object:
    def call(args: argparse.Namespace) -> int:
        settings, state = _loaded(args)
        return int(import_module(module).command(args, settings, state))

    return call


def _device_command(module: str) -> object:
    def call(args: argparse.Namespace) -> int:
        try:
            settings, state = _loaded(args)
        except UserError as fault:
            if args.config or not import_module(module).stands_alone(args):
                raise
            if not getattr(args, "without_words", False):  # nothing of what it does would be other with one
                print(f"without a configuration ({str(fault).splitlines()[0]})", file=sys.stderr)
            settings, state = None, find_state(args.state)
        return int(import_module(module).command(args, settings, state))

    return call


def _init(args: argparse.Namespace) -> int:
    target = Path(args.folder)
    if target.exists() and any(target.iterdir()):
        free = next(
            name for n in range(1, 1_000) if not (name := target.parent / f"plant{n if n > 1 else ''}").exists()
        )
        bare = "--bare " if args.bare else ""
        raise UserError(
            f"{target}: is not empty, nothing was changed; name a new folder: `handwheel init {bare}{free}`"
        )
    example = shipped_folder() / "example"
    shutil.copytree(shipped_folder() / "bare" if args.bare else example, target, dirs_exist_ok=True)
    shutil.copy(example / "timetable.toml", target)
    what = "one pump at an address that nobody has" if args.bare else "the simulated utility"
    print(f"{target}: made. It describes {what}; edit site.toml and sources/*.toml to yours, then:")
    print(f"  handwheel check --config {target}")
    return 0


def _check(args: argparse.Namespace) -> int:
    if (args.csv or args.nft) and not args.flows:
        raise UserError("check: --csv and --nft belong to --flows; add it")
    if args.live and args.flows:
        raise UserError("check: --live reads the plant, --flows only tells who talks to whom; give one of them")
    settings, state = _loaded(args)
    if args.flows:
        return int(import_module("monitor.flows").run(settings, state, as_csv=args.csv, as_nft=args.nft))
    return int(import_module("monitor.check").run(settings, state, live=args.live))


def _run(args: argparse.Namespace) -> int:
    settings, state = _loaded(args)
    return int(import_module("monitor.daemon.life").run(settings, state.make()))


def _intake(args: argparse.Namespace) -> int:
    settings, state = _loaded(args)
    return int(import_module("monitor.intake").run(settings, state.make(), args.once))


def _screen(args: argparse.Namespace) -> int:
    state = _state_only(args)
    return int(import_module("monitor.screen.app").run(state, language=args.lang, ui=args.ui))


def _fleet(args: argparse.Namespace) -> int:
    """The folders bring their own configuration; ours, if one is named, says where the work is done."""
    settings = _loaded(args)[0] if args.config else None
    return int(import_module("monitor.headquarters").command(args, settings))


def _demo(args: argparse.Namespace) -> int:
    return int(import_module("monitor.demo").run(args))


if __name__ == "__main__":
    raise SystemExit(main())
