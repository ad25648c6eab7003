"""What an act asks before it is done: the same questions in the same order on console and screen.

An act answers at once or talks first: it is a generator that yields questions, is sent the answers and returns what is
said at its end. Whoever goes back closes it, and what was not kept until then is not kept: no front end can hold half
an answer. A refusal is raised (Refused) and ends it. The acts: page_acts.py, run_acts.py, period_acts.py.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Callable, TypeVar, Union

from fallback_procedures.open_period import Moved, Refused
from fallback_procedures.words import ROLES, _, role_text

T = TypeVar("T")
YES = ("y", "j", "o", "yes", "ja", "oui")
NO = ("n", "no", "nein", "non")


@dataclass(frozen=True)
class Ask:
    """One question. `page` is what a person reads before it, `note` what stands right above it.

    `anew` gives the page as it is now, where it may change while the question stands.
    """

    prompt: str
    page: tuple[str, ...] = ()
    note: tuple[str, ...] = ()
    anew: Callable[[], tuple[str, ...]] | None = None


Reply = Union[str, list]  # one sentence, or a page of lines to read
Talk = Generator[Ask, str, Reply]


def asked(ask: Ask, read: Callable[[str], T], stays: bool = False) -> Generator[Ask, str, T]:
    """Ask until the answer can be read; an empty one that cannot be read ends the act, unless the question `stays`."""
    note = ask.note
    while True:
        text = yield Ask(ask.prompt, ask.page, note, ask.anew)
        try:
            return read(text)
        except Moved:
            raise
        except Refused as fault:
            if not text and not stays:
                raise
            note = (f"! {fault}",)


def sentence(text: str) -> str:
    """A reason in words; Refused for a number, a letter or an answer to another question that was typed too late."""
    if sum(letter.isalpha() for letter in text) < 3 or text.lower() in (*YES, *NO):
        raise Refused(_("a reason in words is needed"))
    return text


def reason_asked(prompt: str, note: tuple[str, ...] = (), given: str = "") -> Generator[Ask, str, str]:
    """Why, in words: what was `given` already where it says so, else asked until it does; Enter alone ends the act."""
    if given:
        try:
            return sentence(given)
        except Refused:
            pass

    def read(text: str) -> str:
        if not text:
            raise Refused(_("went back; this was not kept"))
        return sentence(text)

    return (yield from asked(Ask(f"{prompt.rstrip(' :')} " + _("(Enter alone goes back):"), note=note), read))


def yes_or_no(text: str) -> bool:
    """An answer that is either."""
    if text.lower() not in (*YES, *NO):
        raise Refused(_("answer y or n"))
    return text.lower() in YES


def roles_told(known: tuple[str, ...] = ROLES) -> str:
    """The roles with their numbers: "1=operator 2=shift lead"."""
    return " ".join(f"{index}={role_text(role)}" for index, role in enumerate(known, 1))


def role_named(text: str, known: tuple[str, ...] = ROLES) -> str:
    """A role by its number, its name, or as a person says it."""
    if text.isdecimal() and 0 < int(text) <= len(known):
        return known[int(text) - 1]
    for role in known:
        if text.casefold() in (role, role_text(role).casefold()):
            return role
    raise Refused(_("nothing was done: a role is needed"))


def role_asked(
    question: str, page: tuple[str, ...] = (), known: tuple[str, ...] = ROLES, stays: bool = False
) -> Generator[Ask, str, str]:
    """A role, asked until it is one."""
    prompt = f"{question} {roles_told(known)}:"

    def read(text: str) -> str:
        try:
            return role_named(text, known)
        except Refused as fault:
            if text or stays:
                raise Refused(_("a role is needed: its number or its name")) from fault
            raise

    return (yield from asked(Ask(prompt, page), read, stays))


def word_asked(prompt: str, word: str, otherwise: str, page: tuple[str, ...] = ()) -> Generator[Ask, str, None]:
    """A word that nobody types by accident, asked until it is right; Enter alone ends the act with `otherwise`."""

    def read(text: str) -> None:
        if text != word:
            raise Refused(_("not {word}; Enter alone goes back").format(word=word) if text else otherwise)

    yield from asked(Ask(prompt, page), read)
