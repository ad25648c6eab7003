"""`handwheel model`: the utility's own model of a pump, learned, shown, asked, and held against its own past."""

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from drivers.errors import UserError
from monitor.state import State
from monitor.words import _, clean

if TYPE_CHECKING:
    from models.health import HealthModel
    from monitor.plant import Asset, Settings

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
    card.add_argument("asset", metavar="ASSET", help="a pump")
    card.add_argument("--out", metavar="DIR", type=Path, help="also write it there as text, HTML, PDF and CSV")
    card.add_argument(
        "--refit", action="store_true", help="learn the stored window again and say whether it is the same"
    )
    card.add_argument("--no-backtest", action="store_true", help="without the walk through the last year")
    fit = verbs.add_parser("fit", help="learn a pump anew; needs the right confirm_baseline and no open own alert")
    fit.add_argument("asset", metavar="ASSET", help="a pump")
    _span(fit, "the window to learn from (default: as the daemon learns, up to now)")
    fit.add_argument("--reason", metavar="TEXT", help="why it is sound from there on, for the ledger")
    fit.add_argument("--dry", action="store_true", help="learn and show, store nothing")
    score = verbs.add_parser("score", help="what the model says now, or said at a time")
    explain = verbs.add_parser("explain", help="every number of one assessment, so that it can be redone by hand")
    explain.add_argument("asset", metavar="ASSET", help="a pump")
    explain.add_argument("--csv", metavar="FILE", type=Path, help="also write the lagged row and the whole matrix M")
    back = verbs.add_parser("backtest", help="walk through the past and hold the model against what was found")
    _span(back, "the past to walk (default: the last 365 days)")
    confirming.add_arguments(verbs)
    for verb in (score, back):
        which = verb.add_mutually_exclusive_group(required=True)
        which.add_argument("asset", metavar="ASSET", nargs="?", help="a pump")
        which.add_argument("--all", action="store_true", help="every pump that is read")
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


def _pump(settings: "Settings", asset_id: str) -> "Asset":
    from monitor.learning import pumps

    known = {one.id: one for one in pumps(settings)}
    if asset_id not in known:
        raise UserError(f"model: {clean(asset_id, 40)} is no pump that we read; known: {', '.join(known) or 'none'}")
    return known[asset_id]


def _chosen(args: argparse.Namespace, settings: "Settings") -> "list[Asset]":
    from monitor.learning import pumps

    return pumps(settings) if args.all else [_pump(settings, args.asset)]


def _at(args: argparse.Namespace, settings: "Settings", now_us: int) -> int:
    from monitor.transfer.times import moment_us

    return moment_us("--at", args.at, ZoneInfo(settings.time_zone)) if args.at else now_us


def _card(args: argparse.Namespace, settings: "Settings", state: State, now_us: int) -> int:
    from monitor.model.gathering import facts
    from monitor.progress import on_terminal
    from monitor.reports import card
    from monitor.reports.document import write_report
    from monitor.reports.text import render_text

    asset = _pump(settings, args.asset)
    told = facts(
        state, settings, asset, now_us, on_terminal(), again=args.refit, past=not args.no_backtest,
        drawn=args.out is not None,
    )  # fmt: skip
    document = card.build(state, settings, told, now_us)
    print(render_text(document), end="")
    if args.out:
        files = write_report(document, args.out, f"model_{asset.id}")
        for kind in FORMATS:
            print(f"{kind:5} {files[kind]}")
    return int(told.refit is not None and not told.refit.same)


def _fit(args: argparse.Namespace, settings: "Settings", state: State, now_us: int) -> int:
    from monitor.lock import lock_is_free
    from monitor.model.fitting import confirm, learn_now, taught
    from monitor.reports import card
    from monitor.reports.text import render_text
    from monitor.transfer.times import span_of

    asset = _pump(settings, args.asset)
    start_us, end_us = span_of(args.start, args.end, None, ZoneInfo(settings.time_zone), now_us, lambda: None)
    span_us = (start_us if args.start else None, min(end_us, now_us))
    if not args.dry and not lock_is_free(state):
        if not (args.start and args.reason) or args.end:
            raise UserError(
                f"model fit: a daemon runs and learns {asset.id} itself, from the time a role calls sound: give --from "
                "and --reason, no --to; or look only, with --dry"
            )
        confirm(state, asset, start_us, args.reason)
        print(_("confirmed; the daemon learns it from there as soon as there is enough"))
        return 0
    model = (taught if args.dry else learn_now)(state, settings, asset, span_us)
    print(render_text(card.learned(state, settings, asset, model, now_us)), end="")
    print(_("not stored (--dry)") if args.dry else _("stored: {path}").format(path=state.models / f"{asset.id}.json"))
    return 0


def _score(args: argparse.Namespace, settings: "Settings", state: State, now_us: int) -> int:
    from monitor.model.scoring import see, text

    at_us = _at(args, settings, now_us)
    seen = [see(state, settings, asset, at_us) for asset in _chosen(args, settings)]
    print(json.dumps([one.to_json() for one in seen], indent=1) if args.json else "\n".join(map(text, seen)))
    return 0


def _explain(args: argparse.Namespace, settings: "Settings", state: State, now_us: int) -> int:
    from monitor.learning import limits
    from monitor.model.scoring import see
    from monitor.reports import explanation
    from monitor.reports.text import render_text

    asset = _pump(settings, args.asset)
    seen = see(state, settings, asset, _at(args, settings, now_us))
    document, told = explanation.build(state, settings, seen, limits(settings, asset), now_us)
    if args.csv:
        if told is None:
            raise UserError(f"model explain: {asset.id} has no index at that time, so there is no row to write")
        explanation.write_numbers(args.csv, told)
    print(render_text(document, explanation.WIDTH), end="")
    if args.csv:
        print(args.csv)
    return 0


def _backtest(args: argparse.Namespace, settings: "Settings", state: State, now_us: int) -> int:
    from monitor.learning import load
    from monitor.model.backtest import judged, past, spans
    from monitor.progress import Work, on_terminal
    from monitor.transfer.times import span_of

    zone = ZoneInfo(settings.time_zone)
    start_us, end_us = span_of(args.start, args.end, None, zone, now_us, lambda: None)
    if not args.start:
        start_us = end_us - PAST_DAYS * DAY_US
    models: dict[str, HealthModel] = {}
    for asset in _chosen(args, settings):
        model = load(state, asset.id)
        if model:
            models[asset.id] = model
        elif not args.all:
            raise UserError(f"model backtest: {asset.id} has no model yet; see `handwheel model card {asset.id}`")
    told = []
    with Work(_("back-test"), len(models) * len(spans(start_us, end_us)), on_terminal()) as work:
        for name, model in models.items():
            values, walked = past(state, settings, settings.asset(name), model, (start_us, end_us), work)
            told.append(judged(state, settings, name, model, values, walked))
            if not args.json:
                print(told[-1].words)
    if args.json:
        print(json.dumps([one.to_json() for one in told], indent=1))
    elif not args.all:
        print("\n".join(f"  {what}: {value}" for what, value in told[0].rows(zone)))
    return 0
