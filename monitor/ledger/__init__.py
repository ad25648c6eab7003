"""The ledger: alerts, decisions, findings, verdicts and audits in one chain in which no change goes unseen.

This is its door. The chain cannot tell that its tail was cut: for that its head is printed on paper, and `verify`
compares. Reading needs the standard library only.

    entry      what an entry is, by kind
    chain      the one writer
    reading    read by anybody
    verifying  whether it is what was written
    seals      signatures over the head, and their keys
    anchor     the head for a second party
    sums       checksums of a USB stick, signed
    paper      the same as a QR code
    erasure    a body leaves, and the chain says so
    retention  which bodies are due to leave
    contracts  what was agreed, from which day
    correcting  what a later entry stands for
    through    how a command writes: by the daemon, else under the lock
    command    `handwheel ledger`
"""

from monitor.ledger.chain import Entry, Ledger, open_ledger
from monitor.ledger.entry import ERASABLE, KINDS, Draft, LedgerError, Record, body_of, head_text
from monitor.ledger.reading import digests, entries, head, head_at, last, raw_message
from monitor.ledger.verifying import Verification, parse_head, verify

__all__ = [
    "ERASABLE", "KINDS", "Draft", "Entry", "Ledger", "LedgerError", "Record", "Verification", "body_of", "digests",
    "entries", "head", "head_at", "head_text", "last", "open_ledger", "parse_head", "raw_message", "verify",
]  # fmt: skip
