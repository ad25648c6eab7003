"""Under Sign & Encrypt no proxy can read: here the server's own log shows which services the real daemon called."""

import asyncio
import json
from collections import Counter

import pytest
from asyncua import Server, ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from drivers.opcua.security import make_own
from monitor.state import State
from tests.acceptance.wire import SERVICES
from tests.monitor.plant_bench import Bench, configure
from tests.peers.launch import node_opcua, url_of

REFRESH = "Call i=3875"
ALLOWED = {*SERVICES, REFRESH}
BEFORE_THE_CHANNEL = {"FindServers", "GetEndpoints", "OpenSecureChannel", "CloseSecureChannel"}

SOURCE = """\
[source]
name      = "{mode}"
driver    = "opcua"
site      = "G"
every_s   = 0.5
timeout_s = 4.0
url       = "{url}"
mode      = "{mode}"
security  = "Basic256Sha256,SignAndEncrypt"
certificate        = "{own}.der"
private_key        = "{own}.pem"
server_certificate = "{server}"

[[source.block]]
asset = "pump1"
tags = [
  {{ node = "nsu={space};s=v{n}", name = "{name}", unit = "{unit}" }},
]
"""
MODES = {"poll": ("flow", "m3/h"), "subscribe": ("power", "kW")}


@pytest.fixture
def own(tmp_path):
    """Our key and certificate, as `handwheel` makes them at set-up."""
    make_own(tmp_path / "own.der", tmp_path / "own.pem")
    return tmp_path / "own"


async def watch(tmp_path, own, url, server, space):
    """The daemon as a process on this server, once polling and once subscribed: good before and after a kill."""
    config = configure(tmp_path / "config", 1)
    (config / "sources" / "pump1.toml").unlink()
    for n, (mode, (name, unit)) in enumerate(MODES.items()):
        text = SOURCE.format(url=url, own=own, server=server, space=space, mode=mode, n=n, name=name, unit=unit)
        (config / "sources" / f"{mode}.toml").write_text(text)
    bench = Bench(config, State(tmp_path / "state")).start()
    try:
        await bench.until(lambda s: [one["good"] for one in s["sources"]] == [1, 1])
        bench.kill()
        await asyncio.to_thread(bench.ended)
        bench.start()
        await bench.until(lambda s: [one["good"] for one in s["sources"]] == [1, 1])
        await asyncio.sleep(2.0)
    finally:
        bench.end()


async def test_an_asyncua_server_was_asked_for_reads_alone(tmp_path, own, monkeypatch):
    seen, in_the_clear = Counter(), set()
    answer = UaProcessor._process_message

    async def counted(self, typeid, header, sequence, body):
        name = ua.ObjectIdNames[typeid.Identifier].removesuffix("Request_Encoding_DefaultBinary")
        calls = struct_from_binary(ua.CallParameters, body.copy()).MethodsToCall if name == "Call" else []
        seen.update([f"Call {one.MethodId.to_string()}" for one in calls] or [name])
        if self._connection.security_policy.Mode != ua.MessageSecurityMode.SignAndEncrypt:
            in_the_clear.add(name)
        return await answer(self, typeid, header, sequence, body)

    monkeypatch.setattr(UaProcessor, "_process_message", counted)
    key, public = tmp_path / "server.pem", tmp_path / "server.der"
    usage = [ExtendedKeyUsageOID.SERVER_AUTH]
    await setup_self_signed_certificate(key, public, "urn:plant:server", "localhost", usage, {})
    server = Server()
    server.iserver.bind_condition_methods = True
    await server.init()
    await server.set_application_uri("urn:plant:server")
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    await server.load_certificate(str(public))
    await server.load_private_key(str(key))
    server.set_endpoint("opc.tcp://127.0.0.1:0/")
    space = await server.register_namespace("urn:plant")
    for n in range(4):
        await server.nodes.objects.add_variable(ua.NodeId(f"v{n}", space), f"v{n}", float(n))
    await server.start()
    try:
        port = server.bserver._server.sockets[0].getsockname()[1]
        await watch(tmp_path, own, f"opc.tcp://127.0.0.1:{port}/", public, "urn:plant")
    finally:
        await server.stop()
    assert in_the_clear <= BEFORE_THE_CHANNEL
    assert_reads(seen)


async def test_a_node_opcua_server_was_asked_for_reads_alone(tmp_path, own):
    with node_opcua(tmp_path, nodes=4, sign=True, every_ms=200) as peer:
        pki = tmp_path / "node-opcua-pki" / "own" / "certs"
        pem = next(pki.glob("*.pem")).read_bytes()
        theirs = tmp_path / "theirs.der"
        theirs.write_bytes(x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER))
        await watch(tmp_path, own, url_of(peer), theirs, "urn:peer")
        log = json.loads(peer.tell(json.dumps({"do": "log"}))[0].removeprefix("log "))
    seen = {name.replace("Call ns=0;", "Call "): count for name, count in log["services"].items()}
    assert set(log["in_the_clear"]) <= BEFORE_THE_CHANNEL
    assert_reads(seen)


def assert_reads(seen):
    assert not set(seen) - ALLOWED, seen
    assert seen["ActivateSession"] >= 4
    assert seen[REFRESH] >= 4
    assert seen["Read"] >= 8
    assert seen["Publish"] >= 4
