"""The status of a review and the gate that decided it. Only findings decide; our own model has no say here."""

from models.bias.evidence import FLAG, WATCH

GATES = ("few_findings", "few_assets", "low_coverage", "below_watch", "below_flag", "not_agreed", "flag", "strong")

STATUSES = ("INSUFFICIENT", "NO EVIDENCE", "WATCH", "FLAG", "STRONG")

FEWEST_FINDINGS = 20

FEWEST_ASSETS = 5

LEAST_COVERAGE = 0.5


def status_of(
    n: int, assets: int, jobs: int, e_calibrated: float, e_protective: float, net_low: float, agreed: bool
) -> tuple[str, bool, str]:
    """(status, capped for want of an agreed rate, the gate that decided: a key of GATES)."""
    if n < FEWEST_FINDINGS:
        return "INSUFFICIENT", False, "few_findings"
    if assets < FEWEST_ASSETS:
        return "INSUFFICIENT", False, "few_assets"
    if n < LEAST_COVERAGE * jobs:
        return "INSUFFICIENT", False, "low_coverage"
    if e_calibrated < WATCH:
        return "NO EVIDENCE", False, "below_watch"
    if e_calibrated < FLAG:
        return "WATCH", False, "below_flag"
    if not agreed:
        return "WATCH", True, "not_agreed"
    if e_protective >= FLAG and net_low > 0:
        return "STRONG", False, "strong"
    return "FLAG", False, "flag"
