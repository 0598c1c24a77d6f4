using System.Collections.Immutable;
using PluginServer.Configuration;

namespace PluginServer.Supervision;

/// <summary>What the host is doing at one moment: plain data, taken without a lock on any connection's path.</summary>
internal sealed record ServerStatus(
    int Pid,
    string Version,
    DateTimeOffset StartedAt,
    int Revision,
    ConfigStatus Config,
    IReadOnlyList<EndpointStatus> Endpoints,
    IReadOnlyList<PluginStatus> Plugins)
{
    /// <summary>Turns false the moment a stop begins.</summary>
    public bool Ready { get; init; } = true;

    /// <summary>Over all endpoints.</summary>
    public int ActiveConnections { get; init; }

    /// <summary>Over all endpoints.</summary>
    public int MaxConnections { get; init; }

    /// <summary>What is wrong now, the worst first.</summary>
    public IReadOnlyList<Problem> Problems { get; init; } = [];
}

/// <summary>Whether the present plugins.json runs.</summary>
/// <param name="Path">Absolute path.</param>
/// <param name="Applied">False: it was rejected, and the one before it runs.</param>
/// <param name="Errors">Why it was rejected.</param>
/// <param name="WaitsFor">Absolute paths: when one of these changes, it is tried again.</param>
internal sealed record ConfigStatus(string Path, bool Applied, IReadOnlyList<ConfigError> Errors, IReadOnlyList<string> WaitsFor);

/// <summary>One endpoint.</summary>
internal sealed record EndpointStatus
{
    public required string Name { get; init; }

    public required string Address { get; init; }

    /// <summary>0 where it listens on none.</summary>
    public required int Port { get; init; }

    public required string Plugin { get; init; }

    public required string Handler { get; init; }

    public required int Generation { get; init; }

    /// <summary>listening, paused, draining or failed.</summary>
    public required string State { get; init; }

    public required string Transport { get; init; }

    public required int Acceptors { get; init; }

    public required long AcceptorRestarts { get; init; }

    public required long AcceptErrors { get; init; }

    public required int ActiveConnections { get; init; }

    public required int MaxConnections { get; init; }

    public required long AcceptedConnections { get; init; }

    public required long RejectedConnections { get; init; }

    /// <summary>For which reasons, and how many each; those that never happened are left out.</summary>
    public required ImmutableArray<(string Reason, long Count)> RejectedByReason { get; init; }

    public required long HandlerFaults { get; init; }

    public required long BytesReceived { get; init; }

    public required long BytesSent { get; init; }
}

/// <summary>One plugin with its generations, the newest first.</summary>
internal sealed record PluginStatus(string Name, string Isolation, string Dispatch, string Version, string? LastError, IReadOnlyList<GenerationStatus> Generations);

/// <summary>One generation.</summary>
/// <param name="Number">From 1, per plugin.</param>
/// <param name="Sha256">The build's hash.</param>
/// <param name="State">active, draining, unloading, unloaded, leaked or failed.</param>
/// <param name="Connections">How many hold it.</param>
/// <param name="LoadedAt">When it was loaded.</param>
/// <param name="OldestConnectionAge">Null without connections.</param>
/// <param name="DrainDeadline">When its connections are cut; null without a drainTimeout.</param>
/// <param name="Leak">What is known about what holds it, when it leaked.</param>
/// <param name="Error">Why it failed, when it did.</param>
internal sealed record GenerationStatus(
    int Number,
    string Sha256,
    string State,
    int Connections,
    DateTimeOffset LoadedAt,
    TimeSpan? OldestConnectionAge,
    DateTimeOffset? DrainDeadline,
    string? Leak,
    string? Error)
{
    /// <summary>Of its main assembly; null where the build did not get so far.</summary>
    public string? Version { get; init; }

    /// <summary>Exceptions that it let escape outside of its handlers.</summary>
    public long StrayFaults { get; init; }
}
