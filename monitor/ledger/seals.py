"""Seals: Ed25519 signatures (RFC 8032) over the head, by a key that only the daemon's user can read.

A seal is itself an entry, right after the one that it seals, so that none can be dropped or moved without a break in
the chain. It signs

    handwheel ledger seal
    format 1
    entries N
    hash HEX

each line ended by a newline. The key lies in STATE/keys (folder 0700, file 0600), made at the first start, or is the
systemd credential `ledger_key` (LoadCredential=ledger_key:FILE). Who has it can seal: root on this host can write
another past and seal that. Against that helps only what was handed to somebody else (monitor.ledger.anchor).
"""

import base64
import binascii
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.errors import UserError
from drivers.secret import read_secret
from monitor.ledger.entry import FORMAT
from monitor.state import State, atomic_write, sync_folder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

EVERY = 100  # entries between two seals at most
CREDENTIAL = "ledger_key"
_OWNER = "ledger key"


class Key:
    """A private key, and what others may know of it."""

    def __init__(self, private: "Ed25519PrivateKey") -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._private = private
        self.public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.fingerprint = fingerprint(self.public)

    def sign(self, message: bytes) -> str:
        """The signature as base64."""
        return base64.b64encode(self._private.sign(message)).decode()

    def seal(self, n: int, link: bytes) -> dict[str, Any]:
        """The data of the seal over entry n, whose hash is `link`."""
        return {"entries": n, "key": self.fingerprint, "signature": self.sign(seal_message(n, link))}

    def told(self) -> dict[str, str]:
        """The data of the entry that names it."""
        return {"public_key": base64.b64encode(self.public).decode(), "fingerprint": self.fingerprint}


def seal_message(n: int, link: bytes) -> bytes:
    """What a seal signs."""
    return f"handwheel ledger seal\nformat {FORMAT}\nentries {n}\nhash {link.hex()}\n".encode()


def fingerprint(public: bytes) -> str:
    """The first 100 bits of the SHA-256 of a public key, as a person compares them: five groups of four."""
    letters = base64.b32encode(hashlib.sha256(public).digest()).decode()[:20]
    return "-".join(letters[at : at + 4] for at in range(0, 20, 4))


def is_signed(public: bytes, message: bytes, signature: object) -> bool:
    """Whether `signature` (base64) is one of `message` by the owner of `public`; rubbish is none."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        raw = base64.b64decode(str(signature), validate=True)
        Ed25519PublicKey.from_public_bytes(public).verify(raw, message)
    except (ValueError, InvalidSignature):
        return False
    return True


def public_key(text: object) -> bytes | None:
    """The 32 bytes of a public key as an entry or an anchor names it (base64); None where it is none."""
    try:
        raw = base64.b64decode(str(text), validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw if len(raw) == 32 else None


def pem(public: bytes) -> str:
    """A public key as openssl reads it (RFC 8410)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def find_keys(state: State, active: bytes | None) -> tuple[Key, Key | None]:
    """The key to seal with, made where there is none, and the one before it where that is at hand and has to sign.

    `active`: the public key that the ledger named last. Raises UserError where the key cannot be read or others can.
    """
    kept, coming = _kept(state.keys / "ledger.key"), _kept(state.keys / "next.key")
    if coming is not None and coming.public == active:  # named already: the last step of new-key did not happen
        install(state)
        kept = coming
    elif coming is not None and kept is not None:  # made, and named nowhere: new-key did not come so far
        (state.keys / "next.key").unlink()
    if is_credential():
        told = _key(read_secret(_OWNER, credential=CREDENTIAL), f"credential {CREDENTIAL}")
        return told, kept if kept is not None and kept.public == active != told.public else None
    if kept is None:
        make_key(state)
        install(state)
        kept = _kept(state.keys / "ledger.key")
        assert kept is not None
    return kept, None


def at_hand(state: State) -> Key:
    """The key as it lies there, none made; UserError where there is none that this user can read."""
    if is_credential():
        return _key(read_secret(_OWNER, credential=CREDENTIAL), f"credential {CREDENTIAL}")
    kept = _kept(state.keys / "ledger.key")
    if kept is None:
        raise UserError(f"{state.keys}: no key lies here; a systemd credential is at hand to the daemon alone")
    return kept


def is_credential() -> bool:
    """Whether systemd hands the key to us."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and Path(str(folder), CREDENTIAL).exists()


def make_key(state: State) -> Key:
    """A new key in STATE/keys/next.key; `install` puts it in the place of the old one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    try:
        state.keys.mkdir(exist_ok=True)
        state.keys.chmod(0o700)
        sync_folder(state.root)  # or a power cut takes the folder with the key that the ledger names already
        text = base64.b64encode(private.private_bytes_raw()).decode() + "\n"
        atomic_write(state.keys / "next.key", text, mode=0o600)
    except OSError as fault:
        raise UserError(f"{state.keys}: no key can be kept here ({fault.strerror}); mend its rights") from fault
    return Key(private)


def install(state: State) -> None:
    """The key in next.key is the one from now on."""
    os.replace(state.keys / "next.key", state.keys / "ledger.key")
    sync_folder(state.keys)


def _kept(path: Path) -> Key | None:
    try:
        exists = path.exists()
    except PermissionError as fault:
        raise UserError(f"{path}: {fault.strerror}; run this as the user that the daemon runs as") from fault
    return _key(read_secret(_OWNER, file=os.fspath(path)), os.fspath(path)) if exists else None


def _key(text: str, place: str) -> Key:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    raw = public_key(text)  # as long as a public one, and written the same way
    if raw is None:
        raise UserError(f"{place}: is no key of ours (base64 of 32 bytes); put the right one back")
    return Key(Ed25519PrivateKey.from_private_bytes(raw))
