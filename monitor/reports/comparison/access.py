"""What was signed, who holds the data, who was told first, and what to ask the vendor for without accusing anybody."""

import math
from collections import Counter

from monitor import delays
from monitor.ledger import entries
from monitor.plant import Contract
from monitor.reports.comparison.look import Look
from monitor.reports.document import Block, Cell, Paragraph, Table
from monitor.words import _, age_text, clean, day_text, lived_text, number_text, share_text

ACCESS = ("joint", "vendor_sole", "public_sole", "none", "unknown")
_FIRST = "Q1"  # of the sovereignty register: who is notified first


def access(look: Look) -> tuple[Block, ...]:
    return (
        _contracts(look), _data(look),
        Table("notified_first", (_("who is notified first"), _("evidence"), _("assets"), _("which")), _notified(look),
              _("As declared in the sovereignty register.")),
        Paragraph(_told_first(look)), Paragraph(_late(look)), Paragraph(_entered(look)),
        Table("rules_to_request", (_("rules and records to ask the vendor for"), _("because")), _requests(look)),
        *_suggested(look),
    )  # fmt: skip


def _suggested(look: Look) -> tuple[Paragraph, ...]:
    """The letter, where the answer may leave the house."""
    if look.told.result.leaves_the_house:
        return Paragraph(_("Suggested letter:")), *(Paragraph(words) for words in letter(look))
    return (Paragraph(_("A letter to the vendor is suggested where a flag stands at the end of 12 full months.")),)


def _touching(look: Look) -> list[Contract]:
    looked_at = {asset for asset, _site in look.told.parameters.assets}
    return [one for one in look.settings.contracts if looked_at & set(one.assets)]


def _contracts(look: Look) -> Table:
    """What of each contract this report touches: clause by clause."""
    rows: list[tuple[Cell, ...]] = []
    for one in _touching(look):
        clauses = (
            (_("agreed precision of alerts (q0)"), one.min_confirmation and number_text(one.min_confirmation, 2)),
            (_("access to data"), access_word(one.data_access)),
            (_("control of data"), access_word(one.data_control)),
            (_("leaving [days]"), one.exit_days), (_("law"), one.governing_law),
            (_("hosting"), ", ".join(one.hosting_country)), (_("where it is written"), ", ".join(one.evidence)),
        )  # fmt: skip
        rows += [
            (clean(one.id, 20), clean(one.counterparty, 40), label, clean(said or _("not agreed, or unknown"), 60))
            for label, said in clauses
        ]
    heads = (_("contract"), _("counterparty"), _("clause touched"), _("says"))
    return Table("contract_clauses", heads, tuple(rows))


def access_word(word: str) -> str:
    """Who has access or control, as a reader says it."""
    words = {
        "public_sole": _("public body alone"), "joint": _("joint"), "vendor_sole": _("vendor alone"),
        "none": _("nobody"), "unknown": _("unknown"),
    }  # fmt: skip
    return words.get(word, clean(word, 20))


def _data(look: Look) -> Table:
    """Assets by who can get all raw data, and who decides over them; the worst contract of an asset counts."""
    order = ("vendor_sole", "none", "unknown", "joint", "public_sole")
    found: dict[str, Counter[str]] = {"access": Counter(), "control": Counter()}
    for asset, _site in look.told.parameters.assets:
        mine = [one for one in look.settings.contracts if asset in one.assets]
        found["access"][min((one.data_access for one in mine), key=order.index, default="unknown")] += 1
        found["control"][min((one.data_control for one in mine), key=order.index, default="unknown")] += 1
    total = len(look.told.parameters.assets)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (access_word(word), share_text(found["access"][word], total), share_text(found["control"][word], total))
        for word in ACCESS
    )
    note = _(
        "Access: can obtain all raw data with history without asking or paying. Control: decides purpose,"
        " recipients, retention and deletion. Of several contracts the worst for the public body counts."
    )
    return Table("data_access", (_("who"), _("access, assets"), _("control, assets")), rows, note)


def _notified(look: Look) -> tuple[tuple[Cell, ...], ...]:
    said = {one.asset: one for one in look.settings.answers if one.question == _FIRST}
    words = {
        "control_room": _("the control room"), "simultaneous": _("both at once"),
        "vendor_then_us": _("vendor, then us"), "vendor_only": _("the vendor alone"),
    }  # fmt: skip
    found: dict[tuple[str, str], list[str]] = {}
    for asset, _site in look.told.parameters.assets:
        one = said.get(asset)
        key = (words.get(one.value, _("unknown")), one.evidence) if one else (_("unknown"), "-")
        found.setdefault(key, []).append(asset)
    return tuple((*key, len(assets), clean(", ".join(assets), 80)) for key, assets in sorted(found.items()))


def _told_first(look: Look) -> str:
    told, r = look.told, look.told.result
    looked_at = {asset for asset, _site in told.parameters.assets}
    read = entries(look.state, ["vendor_alert", "clock_step"], r.start_us, r.end_us, upto_n=told.upto_n)
    vendor = told.parameters.vendor
    asked = [one for one in read if one.kind != "vendor_alert" or vendor in (None, one.data["vendor"])]
    found = delays.summary([one for one in delays.arrivals(asked) if one.asset in looked_at])
    if found is None:
        return _("Who was told first: cannot tell; no vendor message could be paired with a status bit of the device.")
    words = _(
        "Who was told first: of {n} messages of the vendor that could be paired with the device's own status bit,"
        " which we read ourselves, {after} came after the bit, {before} before it, and of {unclear} it cannot be"
        " told."
    ).format(n=found.pairs, after=found.after, before=found.before, unclear=found.unclear)
    if found.after:
        words += " " + _("After the bit by at least {median} s (median; {least} to {most} s).").format(
            median=f"{found.median_s:.0f}", least=f"{found.least_s:.0f}", most=f"{found.most_s:.0f}"
        )
    return words


def _late(look: Look) -> str:
    """Messages that were taken in long after the vendor says they came."""
    alerts = look.records["vendor_alert"]
    late = [one for one in alerts if one["late_by"]]
    if not late:
        return _("Late feed: none of {n} messages (alerts, and where one was taken back) was taken in late.").format(
            n=len(alerts)
        )
    days = {look.day(one["at_us"]) for one in late}
    longest = max(float(str(one["late_by"]).split()[0]) for one in late)
    return _(
        "Late feed: {late} of {n} messages (alerts, and where one was taken back) were taken in late, on {days} days;"
        " the latest by {age}."
    ).format(late=len(late), n=len(alerts), days=len(days), age=age_text(longest))


def _entered(look: Look) -> str:
    """How many of the vendor's alerts never came from the vendor's feed."""
    alerts = [one for one in look.records["vendor_alert"] if one["active"] is not False]
    by_us = sum(one["via"] == "import" for one in alerts)
    return _("Entered by the utility from a file, not received from the vendor: {share} of its alerts.").format(
        share=share_text(by_us, len(alerts))
    )


def _requests(look: Look) -> tuple[tuple[Cell, ...], ...]:
    """What the vendor has not disclosed, each with why it is asked for."""
    r, alerts = look.told.result, [one for one in look.records["vendor_alert"] if one["active"] is not False]
    rows: list[tuple[Cell, ...]] = [
        (_("the rule by which each alert is raised, with its thresholds and version"),
         _("{n} alerts; no message carries its rule").format(n=len(alerts))),
        (_("from which date which version of model, firmware and settings ran"),
         _("{n} events are known to us").format(n=len(look.told.parameters.events))),
        (_("the measured values behind each alert"),
         _("{n} of {total} findings did not confirm").format(n=r.findings - r.confirmed, total=r.findings)),
    ]  # fmt: skip
    crowded: dict[str, list[str]] = {}
    for one in r.spikes:
        if not math.isnan(one.vendor.p) and one.vendor.p < 0.05:
            at = _("{age} (p {p})").format(
                age=lived_text(one.vendor.age, one.unit), p=number_text(one.vendor.p, 2))  # fmt: skip
            crowded.setdefault(one.component, []).append(at)
    rows += [
        (_("whether a fixed interval plays a part for {component}").format(component=clean(component, 30)),
         _("alerts crowd at this age since the last service: {ages}").format(ages=", ".join(ages)))
        for component, ages in crowded.items()
    ]  # fmt: skip
    lacks = (
        ("failure_mode", _("the failure mode that is expected")),
        ("issued_at", _("when the alert was issued, with its zone")),
        ("horizon", _("within which time work is due, and from what that follows")),
    )  # fmt: skip
    for name, words in lacks:
        missing = sum(1 for one in alerts if not one[name])
        if missing:
            rows.append((words, _("missing in {n} of {total} alerts").format(n=missing, total=len(alerts))))
    return tuple(rows)


def letter(look: Look) -> tuple[str, ...]:
    """A letter that asks and accuses nobody."""
    r, vendor = look.told.result, look.told.parameters.vendor
    return (
        _("Dear {vendor},").format(vendor=clean(vendor, 60)) if vendor else _("Dear Sir or Madam,"),
        _("from {start} to {end} your system asked {n} times for work on our equipment, and {jobs} jobs followed. An"
          " inspector who is not yours looked at the part in {found} of them and found {confirmed} beyond the limit"
          " that we agreed or that we use.").format(
            start=day_text(r.start_us), end=day_text(r.end_us - 1), n=r.episodes, jobs=r.interventions,
            found=r.findings, confirmed=r.confirmed),
        _("We do not know why. A threshold, a sensor, a rule that we do not know, or our own inspection may be the"
          " reason. We ask you to look at the enclosed rows, to tell us which findings you see otherwise and why,"
          " within 30 days, and to send us the rules and records of the list above. We reckon again with each finding"
          " that you contest counted as confirmed, and show both results."),
        _("Yours faithfully, {utility}").format(utility=clean(look.settings.utility, 60)),
    )  # fmt: skip
