"""Encrypted channels, pinned certificates and logins, against asyncua's and node-opcua's servers."""

import logging
import stat
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.uacrypto import der_from_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from drivers.errors import ConfigError, SourceDown
from drivers.opcua import open_source, quiet, security
from tests.drivers.servers import opcua_spec
from tests.peers.launch import node_opcua, url_of

SECURE = "Basic256Sha256,SignAndEncrypt"
PASSWORD = "s3cret of plant"


class Gate:
    """Lets in `operator` with the password, or whoever shows `certificate`."""

    def __init__(self, certificate=None):
        self.certificate = certificate
        self.seen = []

    def get_user(self, iserver, username=None, password=None, certificate=None):
        self.seen.append((username, password))
        known = (username, password) == ("operator", PASSWORD) or (certificate and certificate == self.certificate)
        return User(role=UserRole.User) if known else None


@asynccontextmanager
async def server_of(folder, name="server", *, port=0, gate=None, secure=True):
    """asyncua's server with a certificate of its own; `.url` and `.certificate`."""
    quiet()
    key, certificate = folder / f"{name}.key.pem", folder / f"{name}.der"
    if not key.exists():
        security.make_own(certificate, key)
    server = Server(user_manager=gate)
    await server.init()
    server.certificate_file = certificate
    await server.set_application_uri(security.uri_of(security.load_certificate("s", certificate)))
    server.set_security_policy(
        [ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt if secure else ua.SecurityPolicyType.NoSecurity]
    )
    if gate:
        server.set_identity_tokens([ua.UserNameIdentityToken, ua.X509IdentityToken])
    if secure:
        await server.load_certificate(str(certificate))
        await server.load_private_key(str(key))
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    space = await server.register_namespace("urn:plant")
    await server.nodes.objects.add_variable(ua.NodeId("flow", space), "flow", 1.5)
    await server.start()
    server.url = f"opc.tcp://127.0.0.1:{server.bserver._server.sockets[0].getsockname()[1]}/"
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
def own(tmp_path):
    """Options of a source with our own certificate; the pinned one is `server.der`."""
    security.make_own(tmp_path / "own.der", tmp_path / "own.pem")
    return {
        "security": SECURE, "certificate": str(tmp_path / "own.der"), "private_key": str(tmp_path / "own.pem"),
        "server_certificate": str(tmp_path / "server.der"), "alarms": False,
    }  # fmt: skip


@pytest.fixture
def login(tmp_path):
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    file.chmod(0o600)
    return {"user": "operator", "password_file": str(file)}


async def value_of(url, node="nsu=urn:plant;s=flow", **options):
    source = open_source(opcua_spec(url, {"flow": node}, timeout_s=2.0, **options))
    try:
        await source.open()
        return (await source.read(source.spec.tags)).row(0).value
    finally:
        await source.close()


def test_our_own_certificate_names_the_application_lasts_ten_years_and_its_key_is_ours_alone(tmp_path):
    security.make_own(tmp_path / "pki" / "own.pem", tmp_path / "pki" / "own.key")
    assert stat.S_IMODE((tmp_path / "pki" / "own.key").stat().st_mode) == 0o600
    certificate = security.load_certificate("s", tmp_path / "pki" / "own.pem")
    assert security.uri_of(certificate).endswith(":handwheel")
    assert certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3_640)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH in usage
    with pytest.raises(FileExistsError):
        security.make_own(tmp_path / "pki" / "own.pem", tmp_path / "pki" / "own.key")


async def test_a_pinned_server_is_read_and_one_with_another_certificate_refused_by_name(tmp_path, own):
    async with server_of(tmp_path) as server:
        port = int(server.url.rsplit(":", 1)[1].strip("/"))
        assert await security.offered_certificate(server.url, 5.0) == security.load_certificate(
            "s", tmp_path / "server.der"
        )
        assert await value_of(server.url, **own) == 1.5
        assert await value_of(server.url, mode="subscribe", **own) == 1.5
    async with server_of(tmp_path, "other", port=port) as server:
        with pytest.raises(SourceDown, match="the server's certificate is not the pinned one: SHA-256") as down:
            await value_of(server.url, **own)
        assert "run `handwheel trust server`" in down.value.detail
        assert not down.value.unreachable
        assert security.fingerprint(security.load_certificate("s", tmp_path / "other.der")) in down.value.detail


async def test_no_pinned_certificate_is_no_connection(own):
    with pytest.raises(SourceDown, match=r"no certificate of the server yet; run `handwheel trust server`"):
        await value_of("opc.tcp://127.0.0.1:1/", **own)


async def test_a_key_that_others_can_read_is_not_used(tmp_path, own):
    (tmp_path / "own.pem").chmod(0o644)
    async with server_of(tmp_path) as server:
        with pytest.raises(SourceDown, match="others may read it; chmod 600"):
            await value_of(server.url, **own)


async def test_a_user_logs_in_by_password_and_a_wrong_one_is_refused_without_being_told(tmp_path, own, login, caplog):
    caplog.set_level(logging.DEBUG)
    async with server_of(tmp_path, gate=Gate()) as server:
        assert await value_of(server.url, **own, **login) == 1.5
        with pytest.raises(SourceDown):
            await value_of(server.url, **own)  # nobody
        (tmp_path / "password").write_text("wr0ng one")
        with pytest.raises(SourceDown, match=r"BadUserAccessDenied|BadIdentityToken") as down:
            await value_of(server.url, **own, **login)
    said = down.value.detail + repr(open_source(opcua_spec(server.url, {}, **own, **login)).explain())
    assert "wr0ng" not in said + caplog.text
    assert PASSWORD not in said + caplog.text
    assert "logs in as operator" in said


async def test_a_user_logs_in_by_certificate(tmp_path, own):
    security.make_own(tmp_path / "user.der", tmp_path / "user.key")
    user = security.load_certificate("s", tmp_path / "user.der")
    options = {"user_certificate": str(tmp_path / "user.der"), "user_private_key": str(tmp_path / "user.key")}
    async with server_of(tmp_path, gate=Gate(der_from_x509(user))) as server:
        assert await value_of(server.url, **own, **options) == 1.5


async def test_a_password_is_not_sent_in_clear(tmp_path, login):
    gate = Gate()
    async with server_of(tmp_path, gate=gate, secure=False) as server:
        with pytest.raises(SourceDown, match=r"would take the password in clear; it was not sent.*SignAndEncrypt"):
            await value_of(server.url, alarms=False, **login)
    assert gate.seen == []


async def test_node_opcua_is_read_encrypted_by_a_user_with_a_password(tmp_path, own, login):
    with node_opcua(tmp_path, nodes=2, every_ms=100, sign=True, users={"operator": PASSWORD}) as peer:
        offered = await security.offered_certificate(url_of(peer), 5.0)
        (tmp_path / "server.der").write_bytes(offered.public_bytes(Encoding.DER))
        for mode in ("poll", "subscribe"):
            assert await value_of(url_of(peer), "nsu=urn:peer;s=v0", mode=mode, **own, **login) is not None
        (tmp_path / "password").write_text("wr0ng one")
        with pytest.raises(SourceDown, match=r"BadUserAccessDenied|BadIdentityTokenRejected"):
            await value_of(url_of(peer), "nsu=urn:peer;s=v0", **own, **login)


async def test_node_opcua_that_takes_user_names_in_clear_gets_none(tmp_path, login):
    with (
        node_opcua(tmp_path, nodes=2, users={"operator": PASSWORD}) as peer,
        pytest.raises(SourceDown, match="would take the password in clear; it was not sent"),
    ):
        await value_of(url_of(peer), "nsu=urn:peer;s=v0", alarms=False, **login)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"security": "Basic128Rsa15,Sign"}, 'write "None" or "Basic256Sha256,SignAndEncrypt"'),
        ({"security": SECURE, "certificate": "a"}, "needs certificate, private_key and server_certificate"),
        ({"user": "u"}, "user needs exactly one of"),
        ({"password_file": "p"}, "user needs exactly one of"),
        ({"user": "u", "password_file": "p", "password_credential": "c"}, "user needs exactly one of"),
        ({"user_certificate": "c"}, "go together"),
        ({"user": "u", "password_file": "p", "user_certificate": "c", "user_private_key": "k"}, "two logins"),
    ],
)
def test_half_configured_security_is_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        open_source(opcua_spec("opc.tcp://127.0.0.1:1/", {}, **options))
    with pytest.raises(ConfigError, match="url holds a user"):
        open_source(opcua_spec("opc.tcp://u:p@127.0.0.1:1/", {}))


def test_rubbish_is_no_certificate(tmp_path):
    (tmp_path / "x.der").write_bytes(b"rubbish")
    for name in ("x.der", "none.der"):
        with pytest.raises(ConfigError, match="`handwheel trust` makes ours"):
            security.load_certificate("source s", tmp_path / name)
