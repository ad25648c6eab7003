"""What the ledger says of each asset's model: what it was learned from, who confirmed it, what was done to the asset.

Pure, from entries alone, so that daemon, worker and command line agree and a restart changes nothing. A model is
learned once. It is learned anew only after a role confirmed that the asset is sound, and never while an own alert on it
stands. Work on an asset makes its model unconfirmed: it goes on judging and says so.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from monitor.ledger import Record
from monitor.words import _, clean, parse_utc

KINDS = ("own_alert", "model", "baseline", "assessment", "work_order", "finding", "failure", "break", "audit")
BY_HAND = "fitted on a person's word"  # `why` of a model that a person had learned, without a baseline
MONTH_US = 30 * 86_400_000_000
FAILED = "FAIL"


@dataclass(slots=True)
class Standing:
    """One asset. Times in UTC [us]."""

    model: Record | None = None  # the model that judges, as entered
    baseline: Record | None = None  # the last one that a role confirmed
    alerts: dict[str, Record] = field(default_factory=dict)  # own alerts that stand: the last word by alert id
    raised_us: dict[str, int] = field(default_factory=dict)  # when each of them rose
    work_us: int = 0  # the last service or replacement, 0 for none
    failed_us: int = 0  # the last failure, or its repair
    breaks_us: dict[str, int] = field(default_factory=dict)  # by tag: from when on its number means something else
    looked_us: dict[str, int] = field(default_factory=dict)  # by component ("" all): last work, finding or baseline
    normal: bool = False  # whether the last entry says so
    normal_us: int = 0  # when it was so last, or has been since
    back: list[tuple[int, bool]] = field(default_factory=list)  # from when on the model stepped back, or did not
    drift: tuple[int, Mapping[str, object]] | None = None  # the last audit and its failed check of this model's inputs

    @property
    def waiting(self) -> Record | None:
        """The confirmed baseline that nothing was learned from yet."""
        one, model = self.baseline, self.model
        if one is None or (model and model.data.get("baseline") == one.n):
            return None
        return None if model and model.n > one.n and model.data["why"] == BY_HAND else one

    def unconfirmed_us(self, tags: Collection[str]) -> int | None:
        """When work was done, or one of `tags` changed its meaning, that no baseline was confirmed after."""
        if self.model is None:
            return None
        known = [parse_utc(str(self.model.data["window_end"]))]
        if self.baseline:
            known.append(parse_utc(str(self.baseline.data["from"])))
        last = max(self.work_us, self._changed_us(tags))
        return last if last > max(known) else None

    def sound_after_us(self, tags: Collection[str]) -> int:
        """When the last failure was repaired or one of `tags` changed its meaning: what came before teaches nothing."""
        return max(self.failed_us, self._changed_us(tags))

    def _changed_us(self, tags: Collection[str]) -> int:
        return max((at for tag, at in self.breaks_us.items() if tag in tags), default=0)

    def looked_at(self, component: str, since_us: int) -> int | None:
        """When, after `since_us`, work or a finding last answered what was claimed of this component."""
        times = [at for name, at in self.looked_us.items() if name in ("", component) or not component]
        return max((at for at in times if at > since_us), default=None)

    @property
    def held(self) -> bool:
        """Whether what was learned raises nothing: since the last work, finding or baseline it never was normal.

        Else a repaired pump that is another one than before could never be confirmed as sound and learned.
        """
        looked_us = max(self.looked_us.values(), default=0)
        if self.model is None or looked_us <= self._learned_us:
            return False
        return not self.normal and self.normal_us <= looked_us

    @property
    def _learned_us(self) -> int:
        """Up to when the model knows the asset: its entry may be much younger than its rows."""
        if self.model is None:
            return 0
        return self.model.at_us if self.model.data.get("baseline") else parse_utc(str(self.model.data["window_end"]))

    def share_back(self, now_us: int, span_us: int = MONTH_US) -> float:
        """Share of the last `span_us` [us], or of what was judged of it, in which the model stepped back."""
        start_us = now_us - span_us
        if not self.back:
            return 0.0
        first = max(start_us, self.back[0][0])
        gone = 0
        for (at, back), (until, _unused) in zip(self.back, [*self.back[1:], (now_us, False)], strict=True):
            if back:
                gone += max(0, min(until, now_us) - max(at, first))
        return gone / (now_us - first) if now_us > first else 0.0


def standings(records: Iterable[Record]) -> dict[str, Standing]:
    """Each asset that entries of KINDS, in their order, say anything of."""
    found: dict[str, Standing] = {}
    for one in records:
        if one.kind == "audit":
            _audited(found, one)
        elif one.asset is not None and one.kind in KINDS:
            _take(found.setdefault(one.asset, Standing()), one)
    return found


def open_alerts(records: Iterable[Record]) -> list[Record]:
    """The last word on each own alert that still stands."""
    return [alert for one in standings(r for r in records if r.kind == "own_alert").values()
            for alert in one.alerts.values()]  # fmt: skip


def open_alert_words(records: Iterable[Record], asset: str) -> str:
    """Why no baseline of this asset can be confirmed now; "" where it can."""
    for one in open_alerts(records):
        if one.asset == asset:
            words = _("confirm_baseline: an own alert on {asset} is open: {text}; what is learned from a sick asset"
                      " calls it sound; record the work or the finding first")  # fmt: skip
            return words.format(asset=clean(asset, 40), text=clean(one.data["text"], 120))
    return ""


def _take(asset: Standing, one: Record) -> None:
    data = one.data
    if one.kind == "own_alert" and one.via == "import":
        return  # the past of another program stands for nothing today
    if one.kind == "own_alert":
        name = str(data["alert_id"])
        asset.raised_us.setdefault(name, one.at_us)
        if data["active"]:
            asset.alerts[name] = one
        else:
            asset.alerts.pop(name, None)
    elif one.kind == "model":
        asset.model, asset.drift = one, None  # an audit judges the model that there was
    elif one.kind == "baseline":
        asset.baseline = one
        _look(asset, "", one.at_us)
    elif one.kind == "assessment":
        normal = data["word"] == "normal"
        if normal or asset.normal:  # it was normal until now
            asset.normal_us = one.at_us
        asset.normal = normal
        asset.back.append((one.at_us, bool(data.get("stepped_back"))))
    elif one.kind == "work_order":
        done = data.get("done")
        if done and data.get("action") != "inspect":
            at = parse_utc(str(done))
            asset.work_us = max(at, asset.work_us)
            _look(asset, one.component or "", at)
            if data.get("trigger") == "failure":
                asset.failed_us = max(at, asset.failed_us) if asset.failed_us else 0
    elif one.kind == "finding":
        _look(asset, one.component or "", one.at_us)
    elif one.kind == "failure":
        asset.failed_us = max(one.at_us, asset.failed_us)
    else:
        asset.breaks_us[str(data["tag"])] = one.at_us


def _look(asset: Standing, component: str, at_us: int) -> None:
    asset.looked_us[component] = max(at_us, asset.looked_us.get(component, 0))


def _audited(found: dict[str, Standing], one: Record) -> None:
    checks: Sequence[Mapping[str, object]] = [
        check for check in one.data.get("checks") or () if isinstance(check, Mapping)
    ]
    for check in checks:
        if check.get("name") == "input_shift" and check.get("subject"):
            asset = found.setdefault(str(check["subject"]), Standing())
            asset.drift = (one.at_us, check) if check.get("word") == FAILED else None
