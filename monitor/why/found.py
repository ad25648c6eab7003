"""What was found, in words: jobs, findings with corrections, what a vendor contests, failures; what is missing."""

from collections.abc import Callable

from monitor.labels import action_word, grade_words, party_word, role_word, trigger_word
from monitor.ledger import Record
from monitor.why.story import CONFIRMED, Job, Story, time_us
from monitor.words import _, age_text, clean, number_text

Row = tuple[str, str]  # label, text
At = Callable[[int | None], str]


def found_rows(told: Story, at: At) -> list[Row]:
    """Each job with its findings, what was contested, what failed afterwards."""
    rows: list[Row] = []
    for job in told.jobs:
        rows += job_rows(job, told, at)
    if not told.jobs:
        rows.append(("", _("no job names this alert: nothing was opened because of it")))
    for job in told.beside:
        rows.append((_("beside"), _("{job}; it does not name this alert").format(job=job_words(job, at))))
        rows += [finding_row(one, job, told, at) for one in job.findings]
    for one in told.failures:
        after = f", {age_text((one.at_us - (told.at_us or one.at_us)) / 1e6)} " + _("after the alert")
        rows.append((_("FAILED"), f"{at(one.at_us)}{after}: {clean(one.data.get('mode') or '-', 60)}"))
    if told.end_us is not None and not told.failures:
        days = number_text(told.horizon_days)
        over = told.now_us >= told.end_us
        words = _("none within {days} d") if over else _("none so far; the {days} d end {time}")
        rows.append((_("failures"), words.format(days=days, time=at(told.end_us))))
    return rows


def job_rows(job: Job, told: Story, at: At) -> list[Row]:
    rows: list[Row] = [(_("job"), job_words(job, at))]
    findings = [finding_row(one, job, told, at) for one in job.findings]
    return rows + (findings or [(_("found"), _("nothing is recorded"))])


def job_words(job: Job, at: At) -> str:
    """One job: number, what for, what was done, when, by whom, and whether its entries were corrected."""
    name = clean(job.wo_id, 30)
    if job.order is None:
        return _("{name}: withdrawn (entry {n})").format(name=name, n=job.entries[-1].n)
    data = job.order.data
    cause = _("because of: {what}").format(what=trigger_word(data.get("trigger")))
    words = f"{name}, {action_word(data.get('action'))}, {cause}"
    words += ", " + _("opened {time}").format(time=at(time_us(data.get("opened"))))
    done = _("done {time}").format(time=at(job.done_us)) if job.done_us is not None else _("NOT DONE YET")
    words += f", {done}, {party_word(data.get('party') or 'utility')}"
    if data.get("run_hours"):
        words += ", " + _("at {hours}").format(hours=clean(data["run_hours"], 16))
    if len(job.entries) > 1:
        words += "; " + _("corrected: {n} entries, {last} holds").format(n=len(job.entries), last=job.order.n)
    return words


def finding_row(one: Record, job: Job, told: Story, at: At) -> Row:
    """One finding in full; one that does not hold any more says which entry stands for it."""
    data = one.data
    if data.get("withdrawn") is True:
        return _("withdrawn"), _("finding of entry {old}, by entry {n}").format(old=data.get("corrects", "?"), n=one.n)
    words = [_("grade {grade}").format(grade=grade_words(data.get("grade")))]
    words.append(_("wear {share} of the limit").format(share=clean(data["wear_pct"], 8)) if data.get("wear_pct")
                 else _("wear not given"))  # fmt: skip
    if data.get("measured_value"):
        limit = clean(data["limit"], 20) if data.get("limit") else _("not given")
        words.append(_("measured {value}, limit {limit}").format(value=clean(data["measured_value"], 20), limit=limit))
    blind = _("not knowing of the alert") if data.get("blind_to_alert") is True else _("knowing of the alert")
    words.append(f"{party_word(data.get('inspector_party'))}, {blind}")
    words += [_("cause {words}").format(words=f'"{clean(data["cause"], 160)}"')] if data.get("cause") else []
    if data.get("second_reader_grade"):
        words.append(_("second reader {grade}").format(grade=clean(data["second_reader_grade"], 2)))
    words += [_("photo {sha}").format(sha=clean(data["photo_sha256"], 64)[:16])] if data.get("photo_sha256") else []
    role = f", {role_word(one.role)}" if one.role else ""
    words.append(f"{at(one.at_us)}, " + _("entry {n}").format(n=one.n) + role)
    if one.n in told.replaced:
        words.append(_("REPLACED by entry {n}").format(n=told.replaced[one.n].n))
    elif job.counted is not None and one.n != job.counted.n:
        words.append(_("not counted beside entry {n}").format(n=job.counted.n))
    for reply in told.contests:
        if reply.finding == one.n:
            contested = _("CONTESTED by the vendor (entry {n}): {why}")
            words.append(contested.format(n=reply.entry.n, why=f'"{clean(reply.reason, 200)}"'))
    word = _("CONFIRMED") if data.get("grade") in CONFIRMED else _("not confirmed")
    return (_("found") if one.n in told.replaced else word), "; ".join(words)


def missing_rows(told: Story, at: At) -> list[Row]:
    """What would be needed to know more; said in the order in which it would help."""
    found: list[str] = []
    done = [job for job in told.jobs if job.done_us is not None]
    independent = [one for one in told.findings if one.data.get("inspector_party") != "vendor"]
    if not told.findings:
        found.append(_("no finding yet: the only thing that would settle it"))
        if done:
            names = ", ".join(clean(job.wo_id, 30) for job in done)
            found.append(
                _("the job is done ({names}): who opened it can still enter what was found").format(names=names)
            )
        elif told.jobs:
            found.append(_("the job is not done yet"))
        else:
            found.append(_("no job, so nobody has looked inside"))
    elif not independent:
        found.append(_("only the vendor itself has looked: that confirms nothing and counts for nothing"))
    for one in independent:
        lacking = [name for name, field in ((_("wear"), "wear_pct"), (_("measured value"), "measured_value"),
                                            (_("limit"), "limit")) if not one.data.get(field)]  # fmt: skip
        if lacking:
            found.append(_("entry {n} lacks: {fields}").format(n=one.n, fields=", ".join(lacking)))
    if not told.decisions:
        found.append(_("no decision is recorded"))
    if told.pairs and not told.pairs[-1].data.get("final"):
        found.append(_("the verdict can still change"))
    if told.origin == "vendor" and told.assessment is None:
        found.append(_("what our own model thought then"))
    if told.end_us is not None and told.now_us < told.end_us and not told.failures:
        found.append(_("whether it fails before {time}").format(time=at(told.end_us)))
    return [("-", one) for one in found] or [("", _("nothing: it was looked at by an independent hand, and measured"))]
