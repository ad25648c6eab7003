// node-opcua's own client, for comparison: subscribes to the variables v0, v1, ... of node_opcua_server.cjs.
//
//   node node_opcua_client.cjs '{"url": "opc.tcp://...", "items": 10000, "warm_s": 5, "seconds": 15}'
//
// Prints one line of JSON: rows (values told), due (values that the counters passed), cpu_s (of this process), both
// over the measured seconds.
"use strict";
const opcua = require("node-opcua");

const options = { items: 10000, per_subscription: 1000, sampling_ms: 500, queue: 2, warm_s: 5, seconds: 15, ...JSON.parse(process.argv[2]) };
const say = console.log;
console.log = console.error;
const wait = (s) => new Promise((done) => setTimeout(done, 1000 * s));

async function main() {
    const client = opcua.OPCUAClient.create({ endpointMustExist: false });
    await client.connect(options.url);
    const session = await client.createSession();
    const uris = await session.readNamespaceArray();
    const index = uris.indexOf("urn:peer");
    const first = new Array(options.items).fill(null);
    const last = new Array(options.items).fill(null);
    let rows = 0, counting = false;
    for (let start = 0; start < options.items; start += options.per_subscription) {
        const subscription = await session.createSubscription2({
            requestedPublishingInterval: options.sampling_ms, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 10,
            maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 1,
        });
        const count = Math.min(options.per_subscription, options.items - start);
        const group = opcua.ClientMonitoredItemGroup.create(
            subscription,
            Array.from({ length: count }, (_, n) => ({ nodeId: `ns=${index};s=v${start + n}`, attributeId: opcua.AttributeIds.Value })),
            { samplingInterval: options.sampling_ms, queueSize: options.queue, discardOldest: true },
            opcua.TimestampsToReturn.Both,
        );
        group.on("changed", (_item, dataValue, n) => {
            if (!counting) return;
            const value = dataValue.value.value;
            if (first[start + n] === null) first[start + n] = value - 1;
            last[start + n] = value;
            rows += 1;
        });
    }
    await wait(options.warm_s);
    counting = true;
    const before = process.cpuUsage();
    await wait(options.seconds);
    counting = false;
    const { user, system } = process.cpuUsage(before);
    const due = first.reduce((sum, value, n) => sum + (value === null ? 0 : last[n] - value), 0);
    const silent = first.filter((value) => value === null).length;
    say(JSON.stringify({ rows, due, silent, cpu_s: (user + system) / 1e6 }));
    process.exit(0);
}

main().catch((fault) => {
    console.error(fault);
    process.exit(2);
});
