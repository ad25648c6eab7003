"""The status of a review and the gate that decided it. Only findings decide; our own model has no say here."""

from models.bias.evidence import FLAG, WATCH

GATES = (
    "vendor_written", "few_findings", "few_assets", "low_coverage", "below_watch", "below_flag", "not_agreed", "flag",
    "strong",
)  # fmt: skip

STATUSES = ("INSUFFICIENT", "NO EVIDENCE", "WATCH", "FLAG", "STRONG")

FEWEST_FINDINGS = 20

FEWEST_ASSETS = 5

LEAST_COVERAGE = 0.5


def status_of(
    n: int, assets: int, jobs: int, e_calibrated: float, e_protective: float, net_low: float, agreed: bool,
    of_any_hand: tuple[int, int] = (0, 0),
) -> tuple[str, bool, str]:  # fmt: skip
    """(status, capped for want of an agreed rate, the gate that decided: a key of GATES).

    `n` independent findings on `assets` assets for `jobs` vendor-driven jobs; `of_any_hand` is (findings, assets)
    with the vendor's own counted too: where only those would be enough, the gate is "vendor_written".
    """
    lacking = _lacking(n, assets, jobs)
    if lacking:
        gate = lacking if _lacking(*of_any_hand, jobs) else "vendor_written"
        return "INSUFFICIENT", False, gate
    if e_calibrated < WATCH:
        return "NO EVIDENCE", False, "below_watch"
    if e_calibrated < FLAG:
        return "WATCH", False, "below_flag"
    if not agreed:
        return "WATCH", True, "not_agreed"
    if e_protective >= FLAG and net_low > 0:
        return "STRONG", False, "strong"
    return "FLAG", False, "flag"


def _lacking(n: int, assets: int, jobs: int) -> str:
    """What there is too little of for any answer; "" where there is enough."""
    if n < FEWEST_FINDINGS:
        return "few_findings"
    if assets < FEWEST_ASSETS:
        return "few_assets"
    return "low_coverage" if n < LEAST_COVERAGE * jobs else ""
