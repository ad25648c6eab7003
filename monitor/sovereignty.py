"""The sovereignty register: who is told, who decides, by what logic, whose data, used by whom, and what without them.

Declared answers (register.toml) with their evidence, contracts, and what the program itself has measured: whether it
can read the asset, and how long after the device's own status bit the vendor's message came. An unknown is never
dropped: it counts as nothing in the pessimistic score and as everything in the optimistic one; both are printed.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from monitor.plant import Answer, Asset, Contract, Settings
from monitor.words import N_

TOP = 4
PROVEN = ("tested", "documented")


@dataclass(frozen=True, slots=True)
class Question:
    """One question: its words, the score of each allowed answer (0 to 4), its weight, which of the six it serves."""

    words: str
    scores: Mapping[str, int]
    weight: int
    serves: int  # 1..6, see SIX


SIX = (
    N_("Whom does it notify?"),
    N_("Who decides whether the notice is followed?"),
    N_("What logic made it?"),
    N_("Who owns the data?"),
    N_("Who may use the data?"),
    N_("What when the digital system fails?"),
)

QUESTIONS: Mapping[str, Question] = {
    "Q1": Question(
        N_("who is notified first"),
        {"control_room": 4, "simultaneous": 3, "vendor_then_us": 1, "vendor_only": 0},
        3,
        1,
    ),
    "Q2": Question(
        N_("who decides"),
        {
            "control_room_free": 4,
            "control_room_with_penalty": 2,
            "joint": 2,
            "vendor_auto_dispatch": 1,
            "device_self_acts": 0,
        },
        3,
        2,
    ),
    "Q3": Question(
        N_("is the logic disclosed"),
        {"full": 4, "thresholds": 3, "inputs_only": 2, "marketing_text": 1, "none": 0},
        2,
        3,
    ),
    "Q4": Question(
        N_("what is the logic's goal"), {"life_cycle": 4, "wear_condition": 3, "calendar": 2, "revenue_linked": 0}, 2, 3
    ),
    "Q5": Question(
        N_("who can edit thresholds"), {"by_us": 4, "on_request_free": 2, "on_request_paid": 1, "no": 0}, 1, 2
    ),
    "Q6": Question(
        N_("whose data by contract"), {"ours_opt_in": 4, "joint": 2, "silent": 1, "vendor_free_use": 0}, 2, 4
    ),
    "Q7": Question(
        N_("raw data without the vendor"),
        {"open_protocol_all": 4, "partial": 2, "gateway_licence": 1, "cloud_api_only": 0},
        3,
        5,
    ),
    "Q8": Question(N_("export format"), {"open_with_history": 4, "csv_manual": 2, "pdf": 1, "none": 0}, 1, 5),
    "Q9": Question(
        N_("remote access of the vendor"),
        {"none": 4, "per_session": 4, "vpn_named": 3, "permanent_vpn": 1, "unmanaged": 0},
        2,
        1,
    ),
    "Q10": Question(
        N_("works without the cloud"),
        {"full_90_days": 4, "full_7_days": 3, "degraded": 2, "untested": 1, "stops": 0},
        3,
        6,
    ),
    "Q11": Question(
        N_("can be run by hand"),
        {"hand_without_electronics": 4, "hand_via_plc": 2, "keypad_only": 1, "none": 0},
        3,
        6,
    ),
    "Q12": Question(N_("drilled on"), {"within_12_months": 4, "within_24_months": 2, "older": 1, "never": 0}, 3, 6),
    "Q13": Question(
        N_("may third parties service it"), {"free_choice": 4, "authorised_only": 2, "vendor_lock": 0}, 1, 2
    ),
    "Q14": Question(N_("exit"), {"export_erase_free": 4, "fee": 2, "undefined": 0}, 1, 4),
    "Q15": Question(
        N_("jurisdiction of the data"), {"eu_or_own": 4, "eu_third_country_parent": 2, "third_country": 1}, 1, 5
    ),
    "Q16": Question(N_("security support lasts"), {"beyond_contract": 4, "under_two_years": 2, "ended": 0}, 1, 6),
    "Q17": Question(N_("data about workers"), {"none": 4, "role_only": 3, "names": 0}, 1, 5),
}
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one asset. Shares in per cent; the band is what the unknown answers leave open."""

    asset: Asset
    answers: Mapping[str, Answer]
    pessimistic: float
    optimistic: float
    coverage: float  # share of the weight that is answered and documented or tested
    red: tuple[str, ...]  # gates: any one makes the asset RED whatever the score
    words: tuple[str, ...] = ()


def known_values(question: str) -> tuple[str, ...]:
    """The answers that register.toml may give to a question; Q12 takes a date besides."""
    return (*QUESTIONS[question].scores, UNKNOWN)


def fault_of(question: str, value: str) -> str | None:
    """What is wrong with an answer in words, or None."""
    if question == "Q12" and _date(value):
        return None
    if value in known_values(question):
        return None
    extra = " or a date such as 2026-04-14" if question == "Q12" else ""
    return f"{value!r} is no answer to {question}; known: {', '.join(known_values(question))}{extra}"


def standings(settings: Settings, today: date) -> tuple[Standing, ...]:
    """One Standing per asset that is read or has a contract or an answer, in the order of the configuration."""
    asked = {answer.asset for answer in settings.answers}
    asked |= {asset for contract in settings.contracts for asset in contract.assets}
    asked |= {tag.asset for tag in settings.tags}
    return tuple(standing(settings, asset, today) for asset in settings.assets if asset.id in asked)


def standing(settings: Settings, asset: Asset, today: date) -> Standing:
    """The band, the coverage and the red gates of one asset."""
    answers = {answer.question: answer for answer in settings.answers if answer.asset == asset.id}
    scores = {name: score_of(name, answers.get(name), today) for name in QUESTIONS}
    total = sum(question.weight for question in QUESTIONS.values()) * TOP
    sure = sum(QUESTIONS[name].weight * score for name, score in scores.items() if score is not None)
    open_ = sum(QUESTIONS[name].weight * TOP for name, score in scores.items() if score is None)
    proven = sum(
        QUESTIONS[name].weight
        for name, score in scores.items()
        if score is not None and answers[name].confidence in PROVEN
    )
    return Standing(
        asset=asset,
        answers=answers,
        pessimistic=100 * sure / total,
        optimistic=100 * (sure + open_) / total,
        coverage=100 * proven * TOP / total,
        red=red_gates(asset, scores),
    )


def score_of(question: str, answer: Answer | None, today: date) -> int | None:
    """0 to 4; None for no answer or "unknown"."""
    if answer is None or answer.value == UNKNOWN:
        return None
    drilled = _date(answer.value) if question == "Q12" else None
    if drilled:
        days = (today - drilled).days
        return 4 if days < 366 else 2 if days < 731 else 1
    return QUESTIONS[question].scores[answer.value]


def red_gates(asset: Asset, scores: Mapping[str, int | None]) -> tuple[str, ...]:
    """The answers that make an asset RED: no hand operation or drill where it is critical, a stop without the cloud,
    unmanaged remote access, or a device that acts by itself."""
    gates = [name for name in ("Q2", "Q9", "Q10") if scores[name] == 0]
    if asset.criticality == "A":
        gates += [name for name in ("Q11", "Q12") if scores[name] == 0]
    return tuple(gates)


def matrix(contracts: Sequence[Contract], assets: Mapping[str, Asset]) -> list[tuple[str, str, int, float, int]]:
    """(access, control, contracts, value per year, class A assets) for each pair that occurs; unknown among them."""
    count: Counter[tuple[str, str]] = Counter()
    money: defaultdict[tuple[str, str], float] = defaultdict(float)
    critical: Counter[tuple[str, str]] = Counter()
    for contract in contracts:
        pair = (contract.data_access, contract.data_control)
        count[pair] += 1
        money[pair] += contract.value_per_year or 0
        critical[pair] += sum(1 for one in contract.assets if one in assets and assets[one].criticality == "A")
    return [(*pair, count[pair], money[pair], critical[pair]) for pair in sorted(count)]


def _date(value: str) -> date | None:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None
