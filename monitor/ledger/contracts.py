"""Contracts on the record: what was agreed stands in the ledger from the day the configuration says it. Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from typing import Any

from monitor.ledger.entry import Draft, Record
from monitor.plant import Contract


def changed_contracts(
    contracts: Iterable[Contract], told: Iterable[Record], at_us: int, role: str | None = None
) -> list[Draft]:
    """An entry for each contract that is new, changed, or was taken out (terms None), against the entries so far.

    `told`: the entries of kind contract, in order: `entries(state, ("contract",))`. `role`: who let it be read.
    """
    import rfc8785

    before = {str(one.data["contract_id"]): one.data for one in told}
    now = {one.id: terms_of(one) for one in contracts}
    drafts = []
    for name, terms in now.items():
        sha256 = hashlib.sha256(rfc8785.dumps(terms)).hexdigest()
        if name not in before or before[name]["sha256"] != sha256:
            drafts.append(_draft(name, sha256, terms, at_us, role))
    gone = [name for name, data in before.items() if name not in now and data["terms"] is not None]
    return drafts + [_draft(name, "", None, at_us, role) for name in gone]


def terms_of(contract: Contract) -> dict[str, Any]:
    """What a contract says, in values that JSON has: dates as ISO texts, lists where there are many."""
    told = {name: value for name, value in asdict(contract).items() if name != "id"}
    return {name: _plain(value) for name, value in told.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _draft(name: str, sha256: str, terms: dict[str, Any] | None, at_us: int, role: str | None) -> Draft:
    return Draft("contract", {"contract_id": name, "sha256": sha256, "terms": terms}, at_us, "daemon", role)
