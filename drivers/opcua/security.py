"""Whom we trust and who we are: our own certificate, the server's pinned one, and the login of a user.

Under Sign&Encrypt nothing is taken on faith: the server's certificate lies in a file that a person has agreed to
(`handwheel trust`), and another one is refused with a line that says so. A password comes from where only its owner can
read and leaves only encrypted (drivers.opcua.client refuses otherwise).
"""

import hashlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from asyncua import ua
from asyncua.crypto import cert_gen
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.crypto.uacrypto import CertProperties
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from drivers.errors import ConfigError
from drivers.opcua.client import LOST, GuardedClient
from drivers.secret import private_bytes, read_secret
from drivers.source import SourceSpec

OWN_DAYS: Final = 3653  # ten years: one that runs out unseen blinds the plant; a stolen key is replaced by hand
_CERTIFICATE_LIMIT: Final = 100_000  # bytes


@dataclass(frozen=True, slots=True)
class Security:
    """What a source says about security, checked."""

    owner: str  # "source plc1"
    name: str
    encrypted: bool
    options: Mapping[str, Any]

    @classmethod
    def of(cls, spec: SourceSpec) -> "Security":
        """The security of a source; ConfigError where it is half configured."""
        options, owner = spec.options, f"source {spec.name}"
        security = str(options.get("security", "None"))
        if security not in ("None", "Basic256Sha256,SignAndEncrypt"):
            raise ConfigError(f'{owner}: security {security!r}: write "None" or "Basic256Sha256,SignAndEncrypt"')
        files = ("certificate", "private_key", "server_certificate")
        if security != "None" and not all(options.get(key) for key in files):
            raise ConfigError(f"{owner}: security {security!r} needs {', '.join(files[:2])} and {files[2]}")
        if "@" in str(options["url"]):
            raise ConfigError(f"{owner}: url holds a user; write user = and password_file = instead")
        secrets = [key for key in ("password_file", "password_credential") if options.get(key)]
        if bool(options.get("user")) != bool(secrets) or len(secrets) > 1:
            raise ConfigError(f"{owner}: user needs exactly one of password_file and password_credential, and they it")
        if bool(options.get("user_certificate")) != bool(options.get("user_private_key")):
            raise ConfigError(f"{owner}: user_certificate and user_private_key go together")
        if options.get("user") and options.get("user_certificate"):
            raise ConfigError(f"{owner}: user and user_certificate are two logins; keep one")
        return cls(owner, spec.name, security != "None", options)

    async def apply(self, client: GuardedClient) -> None:
        """Give certificates and login to a client that is not connected yet; ConfigError or OSError where they lack."""
        options = self.options
        if options.get("server_certificate"):
            client.pinned = self.pinned().public_bytes(Encoding.DER)
        if self.encrypted:
            own = load_certificate(self.owner, Path(options["certificate"]))
            client.application_uri = uri_of(own) or client.application_uri
            await client.set_security(
                SecurityPolicyBasic256Sha256,
                CertProperties(own.public_bytes(Encoding.DER), "der"),
                _key(self.owner, options["private_key"]),
                server_certificate=CertProperties(client.pinned or b"", "der"),
                mode=ua.MessageSecurityMode.SignAndEncrypt,
            )
        if options.get("user"):
            client.set_user(str(options["user"]))
            client.set_password(
                read_secret(
                    self.owner, file=options.get("password_file"), credential=options.get("password_credential")
                )
            )
        elif options.get("user_certificate"):
            client.user_certificate = load_certificate(self.owner, Path(options["user_certificate"]))
            key = _key(self.owner, options["user_private_key"])
            await client.load_private_key(key.path_or_content, extension=key.extension)  # type: ignore[arg-type]

    def pinned(self) -> x509.Certificate:
        """The server's certificate as agreed to; ConfigError where there is none yet."""
        path = Path(self.options["server_certificate"])
        if not path.exists():
            words = f"{self.owner}: {path}: no certificate of the server yet; run `handwheel trust {self.name}`"
            raise ConfigError(words)
        return load_certificate(self.owner, path)

    async def why_refused(self, url: str, timeout_s: float) -> str:
        """Words for a session that could not be opened because the server has another certificate now; else ""."""
        try:
            if not self.options.get("server_certificate"):
                return ""
            pinned, now = self.pinned(), await offered_certificate(url, timeout_s)
        except (*LOST, ConfigError):
            return ""
        if pinned == now:
            return ""
        return (
            f"the server's certificate is not the pinned one: SHA-256 {fingerprint(now)}, pinned {fingerprint(pinned)}."
            f" Nothing is read. If the change is known, run `handwheel trust {self.name}`"
        )

    def explain(self) -> str:
        """For `handwheel check`."""
        if not self.encrypted:
            words = "security None: whoever is on the network can read along and alter what we see"
        else:
            try:
                words = f"signed and encrypted; server certificate SHA-256 {fingerprint(self.pinned())}"
                ends = min(load_certificate(self.owner, Path(self.options["certificate"])).not_valid_after_utc,
                           self.pinned().not_valid_after_utc)  # fmt: skip
                words += f"; valid until {ends:%Y-%m-%d}" if ends > datetime.now(UTC) else "; EXPIRED"
            except (ConfigError, OSError):
                words = f"signed and encrypted; certificates are not all there yet: `handwheel trust {self.name}`"
        login = self.options.get("user") or ("a certificate" if self.options.get("user_certificate") else "anonymous")
        return f"{words}; logs in as {login}"


def load_certificate(owner: str, path: Path) -> x509.Certificate:
    """A certificate from a PEM or DER file; ConfigError if it is none."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(_CERTIFICATE_LIMIT)
        return x509.load_pem_x509_certificate(raw) if b"-----BEGIN" in raw else x509.load_der_x509_certificate(raw)
    except (OSError, ValueError) as fault:
        words = fault.strerror if isinstance(fault, OSError) else "is not a certificate"
        raise ConfigError(f"{owner}: {path}: {words}; `handwheel trust` makes ours and fetches the server's") from None


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the DER form, as people compare it: upper-case pairs with colons."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest().hex(":").upper()


def make_own(certificate: Path, private_key: Path) -> None:
    """Make our key (mode 0600) and self-signed certificate; FileExistsError rather than over-write either."""
    key = cert_gen.generate_private_key()
    host = socket.gethostname()
    own = cert_gen.generate_self_signed_app_certificate(
        key,
        "handwheel",
        {},
        [x509.UniformResourceIdentifier(f"urn:{host}:handwheel"), x509.DNSName(host)],
        [ExtendedKeyUsageOID.CLIENT_AUTH],
        days=OWN_DAYS,
    )
    for path, content, mode in (
        (private_key, cert_gen.dump_private_key_as_pem(key), 0o600),
        (certificate, own.public_bytes(Encoding.PEM if certificate.suffix == ".pem" else Encoding.DER), 0o644),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb", opener=lambda name, flags, mode=mode: os.open(name, flags, mode)) as stream:  # type: ignore[misc]
            stream.write(content)


async def offered_certificate(url: str, timeout_s: float) -> x509.Certificate:
    """The certificate that the server offers now for Basic256Sha256, Sign&Encrypt; ValueError where it offers none."""
    client = GuardedClient(url, timeout_s)
    try:
        endpoints = await client.connect_and_get_server_endpoints()
    finally:
        client.hang_up()
    for endpoint in endpoints:
        if (
            endpoint.SecurityPolicyUri == SecurityPolicyBasic256Sha256.URI
            and endpoint.SecurityMode == ua.MessageSecurityMode.SignAndEncrypt
            and endpoint.ServerCertificate
        ):
            return x509.load_der_x509_certificate(_first(bytes(endpoint.ServerCertificate)))
    raise ValueError("the server offers no endpoint with Basic256Sha256, Sign&Encrypt")


def _first(chain: bytes) -> bytes:
    """The first certificate of a chain: DER says how long it is in its first four bytes."""
    return chain[: 4 + int.from_bytes(chain[2:4], "big")] if chain[:2] == b"\x30\x82" else chain


def _key(owner: str, path: str) -> CertProperties:
    try:
        raw = private_bytes(owner, Path(path), _CERTIFICATE_LIMIT)
    except OSError as fault:
        raise ConfigError(f"{owner}: {path}: {fault.strerror}; `handwheel trust` makes a key") from None
    return CertProperties(raw, "pem" if b"-----BEGIN" in raw else "der")


def uri_of(certificate: x509.Certificate) -> str:
    """The application URI that a certificate was made for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), "")
