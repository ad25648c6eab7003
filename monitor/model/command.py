"""`handwheel model`: the utility's own model of a pump or a meter: learned, shown, asked, held against its own past."""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from monitor.state import State
from monitor.words import _, clean

if TYPE_CHECKING:
    from models.health import HealthModel
    from monitor.meters import Seen as MeterSeen
    from monitor.model.backtest import Backtest
    from monitor.model.meter_command import MeterFacts
    from monitor.model.meter_past import MeterPast
    from monitor.model.scoring import Seen
    from monitor.plant import Asset, Settings
    from monitor.reports.card import Facts

DAY_US = 86_400_000_000
PAST_DAYS = 365
FORMATS = ("text", "html", "pdf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel model`."""
    from monitor.model import confirming

    verbs = parser.add_subparsers(
        dest="model_verb", required=True, metavar="card | fit | score | explain | backtest | confirm"
    )
    card = verbs.add_parser("card", help="what was learned, from what, with what lines, and how it did on its past")
    card.add_argument("asset", metavar="ASSET", help="a pump or meter")
    card.add_argument("--out", metavar="DIR", type=Path, help="also write it there as text, HTML, PDF and CSV")
    card.add_argument(
        "--refit", action="store_true", help="learn the stored window again and say whether it is the same"
    )
    card.add_argument("--no-backtest", action="store_true", help="without the walk through the last year")
    fit = verbs.add_parser(
        "fit", help="learn a pump or meter anew; needs the right confirm_baseline and no open own alert"
    )
    fit.add_argument("asset", metavar="ASSET", help="a pump or meter")
    _span(fit, "the window to learn from (default: as the daemon learns, up to now)")
    fit.add_argument("--reason", metavar="TEXT", help="why it is sound from there on, for the ledger")
    fit.add_argument(
        "--although-alert",
        action="store_true",
        help="although the model in force calls it sick there; with --reason",
    )
    fit.add_argument("--although-short", action="store_true", help="although it was read for few days; with --reason")
    fit.add_argument("--dry", action="store_true", help="learn and show, store nothing")
    score = verbs.add_parser("score", help="what the model says now, or said at a time")
    explain = verbs.add_parser("explain", help="every number of one assessment, so that it can be redone by hand")
    explain.add_argument("asset", metavar="ASSET", help="a pump or meter")
    explain.add_argument("--csv", metavar="FILE", type=Path, help="of a pump: also write the lagged row and all of M")
    back = verbs.add_parser("backtest", help="walk through the past and hold the model against what was found")
    _span(back, "the past to walk (default: the last 365 days)")
    confirming.add_arguments(verbs)
    for verb in (score, back):
        which = verb.add_mutually_exclusive_group(required=True)
        which.add_argument("asset", metavar="ASSET", nargs="?", help="a pump or meter")
        which.add_argument("--all", action="store_true", help="every pump and meter that is read")
        verb.add_argument("--json", action="store_true", help="as JSON")
    for verb in (score, explain):
        verb.add_argument("--at", metavar="TIME", help="2026-11-23T14:30, local or with an offset (default: now)")


def _span(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--from", dest="start", metavar="TIME", help=f"first moment of {what}")
    parser.add_argument("--to", dest="end", metavar="TIME", help="its last (default: now)")


def command(args: argparse.Namespace, settings: "Settings", state: State) -> int:
    """`handwheel model ...`: 0 if it could be done; 1 if a card's model did not come out the same again."""
    if settings.simulated and not getattr(args, "json", False):
        print(_("SIMULATED"))
    if args.model_verb == "confirm":
        from monitor.model.confirming import confirm

        return confirm(args, settings, state)
    now_us = time.time_ns() // 1000
    return {"card": _card, "fit": _fit, "score": _score, "explain": _explain, "backtest": _backtest}[args.model_verb](
        args, settings, state, now_us
    )


def _asset(settings: "Settings", asset_id: str) -> "Asset":
    known = {one.id: one for one in _known(settings)}
    if asset_id not in known:
        if named := next((one for one in settings.assets if one.id == asset_id), None):
            raise UserError(f"model: {_why_none(settings, named)}")
        names = ", ".join(known) or "none"
        raise UserError(f"model: {clean(asset_id, 40)} is no pump or meter that we read; known: {names}")
    return known[asset_id]


def _why_none(settings: "Settings", asset: "Asset") -> str:
    """Why nothing can be said of a configured asset."""
    told = f"{asset.id} ({clean(asset.name, 60)}) is a {asset.kind}"
    if asset.kind not in ("pump", "meter"):
        return f"{told}: models are of pumps and meters only, so nothing can be said of it"
    return f"{told} of which no tag is read: give it tags in tags.csv; until then nothing can be said of it"


@contextmanager
def _mendable(path: Path) -> Iterator[None]:
    """A place that cannot be written to is the caller's to mend."""
    try:
        yield
    except OSError as fault:
        words = f"{clean(path, 200)}: cannot be written there ({fault.strerror or fault}); name another place"
        raise UserError(words) from fault


def _known(settings: "Settings") -> "list[Asset]":
    """The pumps and meters that we read, pumps first."""
    from monitor.learning import pumps

    read = {tag.asset for tag in settings.tags}
    return pumps(settings) + [one for one in settings.assets if one.kind == "meter" and one.id in read]


def _chosen(args: argparse.Namespace, settings: "Settings") -> "tuple[list[Asset], list[Asset]]":
    """The pumps and the meters that are asked for; with --all the meters of which anything can be said."""
    from monitor.learning import pumps
    from monitor.meters import meters

    if args.all:
        return pumps(settings), meters(settings)
    asset = _asset(settings, args.asset)
    return ([], [asset]) if asset.kind == "meter" else ([asset], [])


def _at(args: argparse.Namespace, settings: "Settings", now_us: int) -> int:
    from monitor.transfer.times import moment_us

    if not args.at:
        return now_us
    at_us = moment_us("--at", args.at, ZoneInfo(settings.time_zone))
    if at_us > now_us:
        raise UserError(f"model {args.model_verb}: --at {clean(args.at, 40)} lies ahead; leave it out to ask for now")
    return at_us


def _card(args: argparse.Namespace, settings: "Settings", state: State, now_us: int) -> int:
    from monitor.model import gathering, meter_command
    from monitor.progress import on_terminal
    from monitor.reports import card, meter_card
    from monitor.reports.document import write_report
    from monitor.reports.text import render_text

    asset = _asset(settings, args.asset)
    again, past = args.refit, not args.no_backtest
    told: Facts | MeterFacts
    if asset.kind == "meter":
        told = meter_command.facts(state, settings, asset, now_us, on_terminal(), again=again, past=past)
        document = meter_card.build(state, settings, told, now_us)
    else:
        drawn = args.out is not None
        told = gathering.facts(state, settings, asset, now_us, on_terminal(), again=again, past=past, drawn=drawn)
        document = card.build(state, settings, told, now_us)
    print(render_text(document), end="")
    if args.out:
        with _mendable(args.out):
            files = write_report(document, args.out, f"model_{asset.id}")
        for kind in FORMATS:
            print(f"{kind:5} {files[kind]}")
    return int(told.refit is not None and not told.refit.same)


def _fit(args: argparse.Namespace, settings: "Settings", state: State, now_us: int) -> int:
    from monitor.lock import lock_is_free
    from monitor.model import fitting, meter_command
    from monitor.reports import card, meter_card
    from monitor.reports.text import render_text
    from monitor.transfer.times import moment_us, span_of

    asset = _asset(settings, args.asset)
    zone = ZoneInfo(settings.time_zone)
    if args.start and moment_us("--from", args.start, zone) >= now_us:
        raise UserError(f"model fit: {asset.id} taught nothing: the window lies ahead, from {clean(args.start, 40)} on")
    start_us, end_us = span_of(args.start, args.end, None, zone, now_us, lambda: None)
    span_us = (start_us if args.start else None, min(end_us, now_us))
    if not args.dry and not lock_is_free(state):
        if not (args.start and args.reason) or args.end:
            raise UserError(
                f"model fit: a daemon runs and learns {asset.id} itself, from the time a role calls sound: give --from "
                "and --reason, no --to; or look only, with --dry"
            )
        fitting.confirm(state, asset, start_us, args.reason)
        print(_("confirmed; the daemon learns it from there as soon as there is enough"))
        return 0
    although = fitting.Although(args.although_alert, args.although_short, clean(args.reason or "", 300).strip())
    told: list[str] = []
    if asset.kind == "meter":
        meter = (meter_command.taught(state, settings, asset, span_us) if args.dry
                 else meter_command.learn_now(state, settings, asset, span_us, although))  # fmt: skip
        document = meter_card.learned(state, settings, asset, meter, now_us)
        told = meter_command.doubts(state, settings, asset, meter).words if args.dry else []
    else:
        pump = (fitting.taught(state, settings, asset, span_us) if args.dry
                else fitting.learn_now(state, settings, asset, span_us, although))  # fmt: skip
        document = card.learned(state, settings, asset, pump, now_us, stored=not args.dry)
        told = [clean(note) for note in pump.card["notes"]]
        told += fitting.doubts(state, settings, asset, pump).words if args.dry else []
    print(render_text(document), end="")
    for line in told:
        print(f"!! {line}")
    print(_("not stored (--dry)") if args.dry else _("stored: {path}").format(path=state.models / f"{asset.id}.json"))
    return 0


def _score(args: argparse.Namespace, settings: "Settings", state: State, now_us: int) -> int:
    from monitor.learning import load
    from monitor.model import meter_command
    from monitor.model.confirming import waiting_words
    from monitor.model.scoring import see, text

    def waiting(asset: "Asset") -> list[str]:
        words = "" if args.at else waiting_words(state, settings, asset.id, now_us)
        return [words] if words else []

    at_us = _at(args, settings, now_us)
    pumps, meters = _chosen(args, settings)
    if not args.all and pumps:
        load(state, args.asset)  # of one pump alone a damaged model is an error, not an unknown
    of_pumps: list[Seen] = see(state, settings, pumps, at_us, now=not args.at)
    of_meters: list[MeterSeen] = meter_command.see(state, settings, meters, at_us, now=not args.at)
    if args.json:
        bodies = [one.to_json() for one in of_pumps] + [one.to_json() for one in of_meters]
        print(json.dumps(bodies, indent=1))
    else:
        for pump in of_pumps:
            print(text(pump.asset.id, pump.found, [*pump.beside(), *waiting(pump.asset)]))
        for meter in of_meters:
            print(text(meter.asset.id, meter.found, waiting(meter.asset)))
    return 0


def _explain(args: argparse.Namespace, settings: "Settings", state: State, now_us: int) -> int:
    from monitor.learning import limits, load
    from monitor.model import meter_command
    from monitor.model.scoring import see
    from monitor.reports import explanation, meter_explanation
    from monitor.reports.text import render_text

    asset, at_us = _asset(settings, args.asset), _at(args, settings, now_us)
    if asset.kind == "meter":
        if args.csv:
            raise UserError(f"model explain: {asset.id} is a meter: all its numbers are on the page, leave out --csv")
        (meter,) = meter_command.see(state, settings, [asset], at_us, now=not args.at)
        print(render_text(meter_explanation.build(state, settings, meter, at_us), explanation.WIDTH), end="")
        return 0
    load(state, asset.id)
    (seen,) = see(state, settings, [asset], at_us, now=not args.at)
    document, told = explanation.build(state, settings, seen, limits(settings, asset))
    if args.csv:
        if told is None:
            raise UserError(f"model explain: {asset.id} has no index at that time, so there is no row to write")
        with _mendable(args.csv):
            explanation.write_numbers(args.csv, told)
    print(render_text(document, explanation.WIDTH), end="")
    if args.csv:
        print(args.csv)
    return 0


def _backtest(args: argparse.Namespace, settings: "Settings", state: State, now_us: int) -> int:
    from monitor.learning import load
    from monitor.model import meter_command, meter_past
    from monitor.model.backtest import judged, past, spans
    from monitor.progress import Work, on_terminal
    from monitor.transfer.times import span_of

    zone = ZoneInfo(settings.time_zone)
    start_us, end_us = span_of(args.start, args.end, None, zone, now_us, lambda: None)
    if not args.start:
        start_us = end_us - PAST_DAYS * DAY_US
    models: dict[str, HealthModel] = {}
    pumps, meters = _chosen(args, settings)
    for asset in pumps:
        model = load(state, asset.id)
        if model:
            models[asset.id] = model
        elif not args.all:
            raise UserError(f"model backtest: {asset.id} has no model yet; see `handwheel model card {asset.id}`")
    told: list[Backtest | MeterPast] = []
    with Work(_("back-test"), len(models) * len(spans(start_us, end_us)), on_terminal()) as work:
        for name, model in models.items():
            values, walked = past(state, settings, settings.asset(name), model, (start_us, end_us), work)
            told.append(judged(state, settings, name, model, values, walked))
    days = meter_command.walk(state, settings, (start_us, end_us), on_terminal()) if meters else []
    for meter in meters:
        if one := meter_past.judged(state, settings, days, meter.id):
            told.append(one)
        elif not args.all:
            raise UserError(f"model backtest: of {meter.id} the hot file has no hours in that time")
    if not args.json:
        print("\n".join(one.words for one in told))
    if args.json:
        print(json.dumps([one.to_json() for one in told], indent=1))
    elif told and not args.all:
        print("\n".join(f"  {what}: {value}" for what, value in told[0].rows(zone)))
    return 0
