"""Keeps persons out of what is taken from a vendor's message: who greets, who signs, how to reach them.

Senders and unmapped columns are never read at all. A free text that is mapped may still hold such things: its greeting,
its signature and whatever was quoted below are cut, addresses and telephone numbers are replaced. The message itself is
kept byte for byte and can be erased under a retention rule. A name inside a sentence cannot be told from other words
and stays. Numbers that are measurements stay: a telephone number is only taken for one where a plus sign, a word
("Tel.") or an area code says so, and no unit follows.
"""

import re
from typing import Final

_ADDRESS: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_UNIT: Final = r"(?!\d)(?!\s*(?:[kMG]?Wh?|kVA|m3|m³|m|mm|l|s|min|h|d|bar|mbar|k?Pa|rpm|Hz|m?A|k?V|°?C|K|%|EUR|€)(?!\w))"
_WORDS: Final = (
    r"tel(?:efon|ephone)?|tél(?:éphone)?|phone|fon|fax|mobil(?:e|tel)?|handy|cell|portable|hotline|durchwahl"
)
_PHONE: Final = (
    # +49 351 1234567, +33 (0)1 23 45 67 89
    re.compile(r"(?<![\w+.,])\+\d{1,3}[ ./()-]{1,3}\d(?:[ ./()-]{0,3}\d){5,12}" + _UNIT),
    # Tel.: 1234567
    re.compile(
        rf"\b(?:{_WORDS})\b\.?(?:\s?(?:no|nr)\.?)?\s?[:.]?\s?\+?\(?\d(?:[ ./()-]{{0,3}}\d){{4,14}}" + _UNIT, re.I
    ),
    # (0351) 1234567, 0170/1234567
    re.compile(r"(?<![\w+.,])(?:\(0\d{2,4}\) ?|0\d{2,4} ?/ ?)\d(?:[ -]?\d){3,9}" + _UNIT),
)  # fmt: skip
_GREETING: Final = re.compile(
    r"\s*(?:dear|hello|hi|good (?:morning|day|afternoon)|sehr geehrte[rns]?|guten (?:tag|morgen)|hallo|liebe[rs]?|moin"
    r"|bonjour|madame|monsieur|cher|chère)\b[^\n]{0,80}[,!.:]?\s*(?:\n|$)",
    re.I,
)
_ENDING: Final = re.compile(
    r"^[ \t>]*(?:--[ \t]*$|_{5,}|-{2,} ?(?:original|ursprüngliche|message d'origine|forwarded|weitergeleitete)"
    r"|(?:mit )?(?:freundliche|beste|viele|herzliche|liebe)[nm]? (?:grüße?n?|grüsse?n?|gruß|gruss)\b|mfg\b"
    r"|(?:with )?(?:(?:kind|best|warm)(?:est)? )?regards\b|(?:yours )?(?:sincerely|faithfully|truly)\b"
    r"|(?:bien )?cordialement\b|bien à vous\b|(?:meilleures |sincères )?salutations\b"
    r"|(?:from|von|de|gesendet|sent|envoyé) ?:.*$|(?:on|am|le) [^\n]{4,120}(?:wrote|schrieb[^\n]{0,60}|a écrit) ?:)",
    re.I | re.M,
)


def without_contacts(text: str) -> str:
    """The text with e-mail addresses and telephone numbers replaced by words that say so."""
    text = _ADDRESS.sub("[e-mail address]", text)
    for pattern in _PHONE:
        text = pattern.sub("[phone number]", text)
    return text


def without_signature(body: str) -> str:
    """The text of a mail without its greeting, and without all that follows its closing words."""
    ending = _ENDING.search(body)
    body = body[: ending.start()] if ending else body
    greeting = _GREETING.match(body)
    return (body[greeting.end() :] if greeting else body).strip()
