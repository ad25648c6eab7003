// An OPC UA server on node-opcua: a peer that shares no line of code with us or with asyncua.
//
//   node node_opcua_server.cjs '{"port": 0, "nodes": 10, ...}'      (NODE_PATH names the folder with node-opcua)
//
// Options, all optional: port (0: a free one); nodes (variables v0, v1, ... of namespace urn:peer, Double, each counts
// up); every_ms (1000); sign (true: only Basic256Sha256 Sign&Encrypt, certificates under the working folder);
// users ({"name": "password"}: no anonymous login); limits ({"maxNodesPerRead": 100, ...}: operation limits);
// namespaces (["urn:a"]: registered before urn:peer, so that its index moves); refresh (true: ConditionRefresh works).
//
// It says "ready PORT", then obeys lines of JSON on stdin and says "ok" after each:
//   {"do": "set", "node": "v0", "value": 1.5, "status": "BadSensorFailure", "hold": true}   hold: no longer counts up
//   {"do": "freeze", "nodes": ["v0"], "on": true}     the value stands still, session and subscription live on
//   {"do": "flip", "node": "v0", "status": "BadSensorFailure"}   each second value carries this status; "": ends it
//   {"do": "vanish", "node": "v0"}    {"do": "appear", "node": "v0"}
//   {"do": "alarm", "value": 95.0}    drives the input of an ExclusiveLimitAlarm (high limit 80)
//   {"do": "end_subscriptions"}       they are gone without a word, the sessions live on
//   {"do": "end_sessions"}            sessions are closed by the server, the sockets stay open
//   {"do": "log"}                     says "log {...}": how often each service was called, Call with its methods;
//                                     and how often on a channel that does not encrypt
//   {"do": "counts"}                  says "counts {...}": sessions, subscriptions, what was published since the start
//   {"do": "values"}                  says "values {...}": name -> [value, status] as they stand now
// It ends with its stdin.
"use strict";
const path = require("node:path");
const net = require("node:net");
const readline = require("node:readline");
const opcua = require("node-opcua");
const { OPCUACertificateManager, StatusCodes, DataType, Variant } = opcua;

const options = { port: 0, nodes: 10, every_ms: 1000, ...JSON.parse(process.argv[2] || "{}") };
console.log = console.error; // the library talks; stdout is ours
const say = (text) => process.stdout.write(text + "\n");
const services = {};
const inTheClear = {};

const freePort = () =>
    new Promise((done) => {
        const probe = net.createServer().listen(0, "127.0.0.1", () => {
            const { port } = probe.address();
            probe.close(() => done(port));
        });
    });

function record(request, channel) {
    const name = request.schema.name.replace(/Request$/, "");
    const methods = name === "Call" ? (request.methodsToCall || []).map((one) => one.methodId.toString()) : [""];
    for (const method of methods.length ? methods : [""]) {
        const key = method ? `${name} ${method}` : name;
        services[key] = (services[key] || 0) + 1;
    }
    if (channel.securityMode !== opcua.MessageSecurityMode.SignAndEncrypt) inTheClear[name] = (inTheClear[name] || 0) + 1;
}

async function main() {
    const port = options.port || (await freePort());
    const store = new OPCUACertificateManager({
        rootFolder: path.join(process.cwd(), "node-opcua-pki"),
        automaticallyAcceptUnknownCertificate: true,
    });
    await store.initialize();
    const server = new opcua.OPCUAServer({
        port,
        host: "127.0.0.1",
        hostname: "127.0.0.1",
        serverCertificateManager: store,
        securityModes: [options.sign ? opcua.MessageSecurityMode.SignAndEncrypt : opcua.MessageSecurityMode.None],
        securityPolicies: [options.sign ? opcua.SecurityPolicy.Basic256Sha256 : opcua.SecurityPolicy.None],
        allowAnonymous: !options.users,
        userManager: { isValidUser: (name, password) => !!options.users && options.users[name] === password },
        serverCapabilities: {
            maxSessions: 100, maxMonitoredItems: 1000000, maxMonitoredItemsPerSubscription: 1000000,
            operationLimits: { maxMonitoredItemsPerCall: 10000, maxNodesPerRead: 10000, ...options.limits },
        },
        maxConnectionsPerEndpoint: 100,
        registerServerMethod: 1, // hidden: tells nobody
    });
    server.on("request", record);
    await server.initialize();

    const space = server.engine.addressSpace;
    for (const uri of options.namespaces || []) space.registerNamespace(uri);
    const own = space.registerNamespace("urn:peer");
    const plant = own.addObject({
        browseName: "Plant", nodeId: "s=Plant", organizedBy: space.rootFolder.objects, eventSourceOf: space.rootFolder.objects.server,
    });
    const points = new Map(); // name -> {node, value, status, frozen, flip, turn}
    const status = (name) => StatusCodes[name || "Good"];
    const show = (point) =>
        point.node.setValueFromSource(
            new Variant({ dataType: DataType.Double, value: point.value }),
            status(point.flip && point.turn ? point.flip : point.status),
        );
    const add = (name, value) => {
        const node = own.addVariable({
            browseName: name, nodeId: `s=${name}`, componentOf: plant, dataType: "Double", minimumSamplingInterval: 50,
        });
        const point = { value, status: "Good", frozen: false, flip: "", turn: false, ...points.get(name), node };
        points.set(name, point);
        show(point);
    };
    for (let n = 0; n < options.nodes; n++) add(`v${n}`, n);
    add("temperature", 20);
    points.get("temperature").frozen = true;
    if (options.refresh !== false) space.installAlarmsAndConditionsService();
    own.instantiateExclusiveLimitAlarm("ExclusiveLimitAlarmType", {
        browseName: "TemperatureAlarm", nodeId: "s=TemperatureAlarm", conditionName: "TemperatureAlarm",
        componentOf: plant, conditionSource: plant, inputNode: points.get("temperature").node,
        highHighLimit: 100, highLimit: 80, lowLimit: -20, lowLowLimit: -40,
        optionals: ["ConfirmedState", "Confirm"],
    });
    setInterval(() => {
        for (const point of points.values()) {
            if (!point.node) continue;
            if (!point.frozen) point.value += 1;
            point.turn = !point.turn;
            if (!point.frozen || point.flip) show(point);
        }
    }, options.every_ms);

    const sessions = () => Object.values(server.engine._sessions);
    const deeds = {
        set({ node, value, status, hold }) {
            const point = points.get(node);
            Object.assign(point, { value, status: status || "Good", frozen: hold ?? point.frozen });
            show(point);
        },
        freeze({ nodes, on }) {
            for (const name of nodes) points.get(name).frozen = on;
        },
        flip({ node, status }) {
            points.get(node).flip = status;
        },
        vanish({ node }) {
            own.deleteNode(points.get(node).node);
            points.get(node).node = null;
        },
        appear({ node }) {
            add(node, points.get(node).value);
        },
        alarm({ value }) {
            deeds.set({ node: "temperature", value });
        },
        end_subscriptions() {
            for (const session of sessions())
                for (const one of [...session.publishEngine.subscriptions]) session.deleteSubscription(one.id);
        },
        end_sessions() {
            for (const session of sessions()) server.engine.closeSession(session.authenticationToken, true, "Terminated");
        },
        log() {
            say(`log ${JSON.stringify({ services, in_the_clear: inTheClear })}`);
        },
        counts() {
            const subscriptions = sessions().flatMap((one) => [...one.publishEngine.subscriptions]);
            const { cumulatedSessionCount, cumulatedSubscriptionCount } = server.engine.serverDiagnosticsSummary;
            say(`counts ${JSON.stringify({
                sessions: sessions().length, subscriptions: subscriptions.length,
                items: subscriptions.reduce((sum, one) => sum + one.monitoredItemCount, 0),
                cumulatedSessionCount, cumulatedSubscriptionCount,
            })}`);
        },
        values() {
            const seen = {};
            for (const [name, { node }] of points)
                if (node) {
                    const { value, statusCode } = node.readValue();
                    seen[name] = [value.value, statusCode.name];
                }
            say(`values ${JSON.stringify(seen)}`);
        },
    };
    await server.start();
    readline
        .createInterface({ input: process.stdin })
        .on("line", (line) => {
            try {
                const order = JSON.parse(line);
                deeds[order.do](order);
                say("ok");
            } catch (fault) {
                say(`not understood: ${fault.message}`);
            }
        })
        .on("close", () => process.exit(0));
    say(`ready ${port}`);
}

main().catch((fault) => {
    console.error(fault);
    process.exit(2);
});
