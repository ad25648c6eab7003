"""`handwheel trust SOURCE`: our own certificate, and the agreement of a person to that of an OPC UA server.

A certificate fetched over the network proves nothing by itself: whoever sits in between shows his own. So its
fingerprint is shown, a person compares it with what the server shows on its own screen, and only then is it written to
the file that the source names (drivers.opcua.security reads it at every connect).
"""

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.errors import UserError
from monitor.plant import Settings
from monitor.state import State, atomic_write
from monitor.words import clean

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from drivers.source import SourceSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `handwheel trust`."""
    parser.add_argument("source", metavar="SOURCE", help="the name of an OPC UA source with security")
    parser.add_argument("--yes", metavar="FINGERPRINT", help="agree to the certificate with this SHA-256 fingerprint")


def command(args: argparse.Namespace, settings: Settings, state: State) -> int:
    """Make our certificate if there is none, show the server's, ask, and write it where the source looks for it."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from drivers.opcua import quiet, security

    quiet()
    spec = _source(args.source, settings)
    own, key, pinned = (Path(spec.options[name]) for name in ("certificate", "private_key", "server_certificate"))
    owner = f"source {spec.name}"
    _own_certificate(owner, own, key)
    try:
        offered = asyncio.run(security.offered_certificate(str(spec.options["url"]), spec.timeout_s))
    except security.LOST as error:
        words = clean(str(error)) or "no answer in time"
        raise UserError(f"{owner}: {spec.options['url']}: {words}; nothing was written") from None
    print(f"The server at {spec.options['url']} shows:")
    for line in _lines(offered):
        print(f"  {line}")
    if pinned.exists():
        if security.load_certificate(owner, pinned) == offered:
            print(f"It is the one in {pinned} already; nothing to do.")
            return 0
        print(f"WARNING: it is NOT the one trusted so far ({pinned}):")
        for line in _lines(security.load_certificate(owner, pinned)):
            print(f"  {line}")
    if not _agreed(security.fingerprint(offered), args.yes):
        print("Not trusted; nothing was written.")
        return 1
    pinned.parent.mkdir(parents=True, exist_ok=True)
    encoding = Encoding.PEM if pinned.suffix == ".pem" else Encoding.DER
    atomic_write(pinned, offered.public_bytes(encoding), mode=0o644)
    print(f"{pinned}: written. The server must trust us as well: import {own} there, then `handwheel check --live`.")
    return 0


def _source(name: str, settings: Settings) -> "SourceSpec":
    spec = next((one for one in settings.sources if one.name == name), None)
    if spec is None or spec.driver != "opcua":
        known = ", ".join(one.name for one in settings.sources if one.driver == "opcua") or "none"
        raise UserError(f"{name!r} is not an OPC UA source; known: {known}")
    if spec.options.get("security", "None") == "None":
        raise UserError(
            f'source {name}: has no security to set up; write security = "Basic256Sha256,SignAndEncrypt", certificate, '
            "private_key and server_certificate (file names) in its [source], then come back"
        )
    return spec


def _own_certificate(owner: str, certificate: Path, key: Path) -> None:
    from drivers.opcua import security

    there = [path for path in (certificate, key) if path.exists()]
    if len(there) == 1:
        raise UserError(f"{owner}: {there[0]} is there, but not its other half; move it away or bring the other")
    if not there:
        security.make_own(certificate, key)
        print(f"{certificate} and {key}: made, for {security.OWN_DAYS // 365} years.")
        print("Only the user who runs this can read the key: it must be the one that the daemon runs as.")
    print("Our own certificate:")
    for line in _lines(security.load_certificate(owner, certificate)):
        print(f"  {line}")


def _lines(certificate: "Certificate") -> list[str]:
    from drivers.opcua import security

    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    now = datetime.now(UTC)
    fault = "   EXPIRED" if ends < now else "   NOT YET VALID" if begins > now else ""
    return [
        f"subject  {clean(certificate.subject.rfc4514_string())}",
        f"uri      {clean(security.uri_of(certificate)) or 'none'}",
        f"valid    {begins:%Y-%m-%d} to {ends:%Y-%m-%d}{fault}",
        f"SHA-256  {security.fingerprint(certificate)}",
    ]


def _agreed(fingerprint: str, given: str | None) -> bool:
    if given is not None:
        if given.replace(":", "").replace(" ", "").upper() != fingerprint.replace(":", ""):
            raise UserError("--yes names another fingerprint than the server shows; nothing was written")
        return True
    if not sys.stdin.isatty():
        raise UserError("nobody is here to ask; compare the fingerprint, then give --yes FINGERPRINT")
    print("Compare this fingerprint with the one the server itself shows, at its screen or by telephone.")
    return input("Are they the same? Then type yes: ").strip() == "yes"
