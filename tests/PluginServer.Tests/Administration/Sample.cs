using PluginServer.Supervision;

namespace PluginServer.Tests.Administration;

/// <summary>A status with something of everything, and what the API makes of it.</summary>
internal static class Sample
{
    public static readonly string Hash = string.Concat(Enumerable.Repeat("0123456789abcdef", 4));

    private static readonly DateTimeOffset Noon = new(2026, 11, 24, 13, 0, 0, 500, TimeSpan.FromHours(1));

    public static ServerStatus Status => new(
        4711,
        "1.0.0",
        Noon,
        3,
        new ConfigStatus("/etc/plugins.json", Applied: true, [], []),
        [
            new EndpointStatus
            {
                Name = "echo", Address = "*", Port = 7000, Plugin = "Echo", Handler = "EchoHandler", Generation = 2, State = "listening", Transport = "sockets", Acceptors = 1,
                AcceptorRestarts = 1, AcceptErrors = 2, ActiveConnections = 12, MaxConnections = 10_000, AcceptedConnections = 900, RejectedConnections = 3, RejectedByReason = [("full", 1), ("address_rate", 2)], HandlerFaults = 4, BytesReceived = 5_000_000_000, BytesSent = 6,
            },
        ],
        [
            new PluginStatus("Echo", "none", "auto", "1.0.0", null,
            [
                new GenerationStatus(3, Hash, "leaked", 0, Noon, null, null, "a static event", null) { Version = "1.0.0" },
                new GenerationStatus(2, Hash, "active", 10, Noon, new TimeSpan(0, 0, 3, 10, 900), null, null, null) { Version = "1.0.0" },
                new GenerationStatus(1, Hash, "draining", 2, Noon, new TimeSpan(1, 4, 0, 1), Noon, null, null) { Version = "0.9.0" },
            ]),
        ])
    {
        ActiveConnections = 12,
        MaxConnections = 19_000,
        Problems = [new Problem(Problems.Leaked, null, "Echo", "generation 3 was not unloaded")],
    };

    public static string Json(string tokenFile) => $$"""
        { "pid": 4711, "version": "1.0.0", "startedAt": "2026-11-24T12:00:00.500Z", "revision": 3, "tokenFile": "{{tokenFile}}",
          "ready": true, "activeConnections": 12, "maxConnections": 19000,
          "problems": [ { "kind": "leaked", "endpoint": null, "plugin": "Echo", "text": "generation 3 was not unloaded" } ],
          "config": { "path": "/etc/plugins.json", "state": "applied", "errors": [] },
          "endpoints": [ { "name": "echo", "address": "*", "port": 7000, "plugin": "Echo", "handler": "EchoHandler", "generation": 2,
              "state": "listening",
              "transport": "sockets", "acceptors": 1, "acceptorRestarts": 1, "acceptErrors": 2,
              "activeConnections": 12, "maxConnections": 10000, "acceptedConnections": 900, "rejectedConnections": 3, "rejectedByReason": { "full": 1, "address_rate": 2 }, "handlerFaults": 4,
              "bytesReceived": 5000000000, "bytesSent": 6 } ],
          "plugins": [ { "name": "Echo", "isolation": "none", "dispatch": "auto", "version": "1.0.0", "lastError": null,
              "generations": [ { "number": 3, "version": "1.0.0", "sha256": "{{Hash}}", "state": "leaked", "connections": 0, "loadedAt": "2026-11-24T12:00:00.500Z", "oldestConnectionAge": null, "drainDeadline": null, "processId": null, "leak": "a static event" },
                               { "number": 2, "version": "1.0.0", "sha256": "{{Hash}}", "state": "active", "connections": 10, "loadedAt": "2026-11-24T12:00:00.500Z", "oldestConnectionAge": "00:03:10", "drainDeadline": null, "processId": null },
                               { "number": 1, "version": "0.9.0", "sha256": "{{Hash}}", "state": "draining", "connections": 2, "loadedAt": "2026-11-24T12:00:00.500Z", "oldestConnectionAge": "1.04:00:01", "drainDeadline": "2026-11-24T12:00:00.500Z", "processId": null } ] } ] }
        """;
}
