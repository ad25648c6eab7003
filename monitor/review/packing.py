"""The right of reply: the same table and the raw rows it rests on, for the vendor, without anything of the operators.

Only what is named here is taken, column by column: what the vendor said, what was done to the part, what was found in
it. Decisions and their counts, roles, notes and reasons, causes in words, times of day, numbers of entries, own alerts
and their scores stay in the house; of other vendors nothing is in it. The same ledger, period and language give the
same bytes.
"""

import hashlib
import io
import os
import secrets
import shutil
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import rfc8785

from drivers.errors import UserError
from monitor.ledger import head_at
from monitor.plant import Settings
from monitor.reports.document import Cell, Table
from monitor.reports.sheet import render_csv
from monitor.review.answering import Answer
from monitor.review.belonging import is_received, is_sha256, of_vendor, references
from monitor.review.choosing import as_json
from monitor.review.contests import ANSWER_DAYS
from monitor.review.freezing import freezes, since
from monitor.review.sheets import cases_sheet, evidence_sheet, path_sheet
from monitor.review.showing import change_lines, parameter_lines
from monitor.review.telling import as_text
from monitor.state import State, atomic_write
from monitor.words import _, clean, day_text, language, parse_utc, utc_text

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "MANIFEST.sha256"
CONTEST = "contest.csv"
CONTEST_HEAD = ("reference", "wo_id", "asset", "component", "day", "grade", "contest", "reason")
RAW: Mapping[str, tuple[str, ...]] = {  # kind -> what leaves the house, beside reference, day and place
    "vendor_alert": ("alert_id", "issued_at", "failure_mode", "severity", "horizon", "active", "text",
                     "recommended_action", "raw_sha256"),
    "work_order": ("wo_id", "trigger", "alert_id", "action", "run_hours", "party", "corrects"),
    "finding": ("wo_id", "grade", "wear_pct", "measured_value", "limit", "inspector_party", "blind_to_alert",
                "second_reader_grade", "photo_sha256", "corrects"),
    "failure": ("failure_id", "corrects"),
}  # fmt: skip
_HASHES = ("raw_sha256", "photo_sha256")


def pack_files(
    told: Answer, recorded: Mapping[str, "pd.DataFrame"], state: State, settings: Settings, vendor: str
) -> dict[str, bytes]:
    """Name -> bytes of all files of the pack. Raises UserError where another vendor would be named in it."""
    p = told.parameters
    zone = ZoneInfo(settings.time_zone)
    raw = _raw(told, recorded, vendor)
    numbers = {int(n) for frame in raw.values() for name in ("n", "corrects") if name in frame
               for n in frame[name].dropna()}  # fmt: skip
    of = references(state, numbers | {int(n) for n in told.result.cases["finding_n"].dropna()})
    rows = [_sheet(kind, frame, _counts_as(told, raw["finding"]), of, zone) for kind, frame in raw.items()]
    lines = parameter_lines(p, told.rates, settings, told.sha256)
    made, in_use = freezes(state, settings, p.vendor, told.upto_n), as_json(p)
    if made:
        changed = since(made[-1], p, settings)
        in_use = in_use if changed else made[-1].data["parameters"]  # byte for byte what was hashed
        frozen_words = _("frozen; SHA-256 {sha}").format(sha=made[-1].data["sha256"])
        lines += [frozen_words, *change_lines(changed)]
    mark = _("SIMULATED") + "\n\n" if settings.simulated else ""
    sheets = [
        evidence_sheet(told, by_role=False, simulated=settings.simulated), path_sheet(told, zone),
        _referenced(cases_sheet(told, zone), of), *rows,
    ]  # fmt: skip
    files = {
        "README.txt": _readme(told, state, settings, vendor).encode(),
        "evidence.txt": (mark + as_text(told, by_role=False) + "\n").encode(),
        "parameters.json": rfc8785.dumps(in_use),
        "parameters.txt": (mark + "\n".join(lines) + "\n").encode(),
        **{f"{sheet.name}.csv": render_csv(sheet).encode() for sheet in sheets},
        CONTEST: render_csv(contest_sheet(told, of, zone)).encode(),
    }
    _names_nobody_else(
        {name: files[name] for name in ("README.txt", "parameters.json", "evidence.csv")}, settings, vendor
    )
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    return {**dict(sorted(files.items())), MANIFEST: "".join(lines).encode()}


def contest_sheet(told: Answer, of: Mapping[int, str], zone: tzinfo) -> Table:
    """The findings that speak against the vendor, each to be contested or left, by reference; days of `zone`."""
    cases = told.result.cases
    against = cases[cases["independent"] & ~cases["confirmed"]]
    rows = tuple(
        (of[int(one["finding_n"])], clean(one["wo_id"], 60), clean(one["asset"], 40), clean(one["component"], 40),
         day_text(int(one["at_us"]), zone), one["grade"], "", "")
        for one in against.to_dict("records")
    )  # fmt: skip
    return Table("contest", CONTEST_HEAD, _unordered(rows, 4, 0))


def write_pack(files: Mapping[str, bytes], folder: Path) -> tuple[Path, str]:
    """Write the folder and a .zip of it beside; returns the path and the SHA-256 of the .zip.

    Raises UserError where one of them is there already or cannot be written; then neither is.
    """
    folder = folder.absolute()
    archive = folder.with_name(f"{folder.name}.zip")
    for path in (folder, archive):
        if path.exists():
            raise UserError(
                f"review reply-pack: {clean(path)}: is there already and was not changed; name a new folder"
            )
    work = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        work.mkdir(mode=0o750, parents=True)
        for name, content in files.items():
            (work / name).write_bytes(content)
        zipped = zip_bytes(files, folder.name)
        atomic_write(archive, zipped)
        os.rename(work, folder)
    except OSError as fault:
        archive.unlink(missing_ok=True)
        raise UserError(f"review reply-pack: {clean(folder)}: cannot be written ({fault.strerror})") from fault
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return archive, hashlib.sha256(zipped).hexdigest()


def zip_bytes(files: Mapping[str, bytes], folder: str) -> bytes:
    """The pack as one .zip without times or owners."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}", (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o640 << 16, 3
            archive.writestr(entry, content)
    return out.getvalue()


def _raw(told: Answer, recorded: Mapping[str, "pd.DataFrame"], vendor: str) -> dict[str, "pd.DataFrame"]:
    """The vendor's records up to the end of the period; of jobs those that were done."""
    end, assets = told.result.end_us, [asset for asset, _site in told.parameters.assets]
    frames = of_vendor(recorded, assets, vendor)
    frames = {kind: frames[kind][frames[kind]["at_us"] < end] for kind in RAW}
    jobs = frames["work_order"]
    frames["work_order"] = jobs[jobs["done"].notna()]
    return frames


def _sheet(kind: str, frame: "pd.DataFrame", counts: Mapping[int, str], of: Mapping[int, str], zone: tzinfo) -> Table:
    head = ("reference", "day", "asset", "component", *RAW[kind], *_more(kind))
    rows = [_row({str(k): v for k, v in one.items()}, kind, counts, of, zone) for one in frame.to_dict("records")]
    return Table(f"{kind}s", head, _unordered(rows, 1, 0))


def _unordered(rows: Iterable[tuple[Cell, ...]], *columns: int) -> tuple[tuple[Cell, ...], ...]:
    """By day and then by reference: within a day the order of the ledger would tell what was written first."""
    return tuple(sorted(rows, key=lambda row: [str(row[at]) for at in columns]))


def _referenced(sheet: Table, of: Mapping[int, str]) -> Table:
    """The sheet of cases with references in place of the numbers of entries."""
    at = sheet.head.index("finding_n")
    rows = [(*row[:at], None if row[at] is None else of[int(str(row[at]))], *row[at + 1 :]) for row in sheet.rows]
    return Table(sheet.name, (*sheet.head[:at], "reference", *sheet.head[at + 1 :]), _unordered(rows, 0, at, at + 1))


def _more(kind: str) -> tuple[str, ...]:
    return {"finding": ("imported", "counts_as"), "vendor_alert": ("origin",)}.get(kind, ())


def _row(
    one: Mapping[str, Any], kind: str, counts: Mapping[int, str], of: Mapping[int, str], zone: tzinfo
) -> tuple[Cell, ...]:
    n, day = int(one["n"]), day_text(int(one["at_us"]), zone)
    if kind == "work_order":  # when it was opened or written would tell how long somebody took over an alert
        day = day_text(parse_utc(one["done"]), zone)
        one = {**one, "trigger": one["trigger"] if one["trigger"] == "vendor_alert" else "other"}
    head = (of[n], day, clean(one["asset"], 40), clean(one["component"] or "", 40))
    more: tuple[Cell, ...] = ()
    if kind == "finding":
        more = ("yes" if one["via"] == "import" else "no", counts[n])
    elif kind == "vendor_alert":
        more = ("received" if is_received(one["via"], one["raw_sha256"]) else "brought in by the utility",)
    return (*head, *(_cell(name, one.get(name), of) for name in RAW[kind]), *more)


def _cell(name: str, value: Any, of: Mapping[int, str]) -> Cell:
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "corrects":
        return of.get(int(value))
    text = clean(value, 1_000)
    if name in _HASHES:
        return text if is_sha256(text) else None
    return text


def _counts_as(told: Answer, findings: "pd.DataFrame") -> dict[int, str]:
    """What each finding counts as, by its entry, and why it does not where it does not."""
    cases = told.result.cases
    seen = {
        int(n): ("confirmed" if confirmed else "not_confirmed") if independent else "not_used: written by the vendor"
        for n, independent, confirmed in zip(cases["finding_n"], cases["independent"], cases["confirmed"], strict=True)
        if n == n and n is not None
    }
    late, holding = set(told.late["n"]), findings[~findings["n"].isin(list(told.held_back))]
    replaced = set(holding["corrects"].dropna())
    counts = {}
    for one in findings.to_dict("records"):
        n = int(one["n"])
        if n in told.held_back:
            counts[n] = "not_used: changed after the freeze; what stood then counts"
        elif n in late:
            counts[n] = "not_used: imported after the freeze"
        elif one.get("withdrawn") is True or n in replaced:
            counts[n] = "not_used: corrected or withdrawn"
        else:
            counts[n] = seen.get(n, "not_used: not on a job of this period that an alert asked for")
    return counts


def _readme(told: Answer, state: State, settings: Settings, vendor: str) -> str:
    text = (Path(__file__).parent / "pack" / f"{language()}.txt").read_text("utf-8")
    r = told.result
    return text.format(
        utility=clean(settings.utility), vendor=clean(vendor, 60), start=utc_text(r.start_us)[:10],
        end=utc_text(r.end_us - 1)[:10], days=ANSWER_DAYS, ledger=head_at(state, told.upto_n) or "-",
        sha256=told.sha256, zone=settings.time_zone,
        simulated=_("SIMULATED") + "\n\n" if settings.simulated else "",
    )  # fmt: skip


def _names_nobody_else(files: Mapping[str, bytes], settings: Settings, vendor: str) -> None:
    """What we write ourselves (a registered event, a name of a site) must not tell one vendor of another."""
    others: Iterable[str] = {asset.vendor for asset in settings.assets if asset.vendor} - {vendor}
    for other in sorted(others):
        for name, content in files.items():
            if other.casefold() in content.decode().casefold():
                raise UserError(
                    f"review reply-pack: {name} would name {clean(other, 60)}, another vendor; the pack was not made. "
                    "Look at the words of the events and contracts of what is under review"
                )


def listed(files: Mapping[str, bytes]) -> Sequence[str]:
    """Each file with its size, as a person sees it before handing the pack over."""
    return [f"{name:20} {len(content):>9} B" for name, content in files.items()]
