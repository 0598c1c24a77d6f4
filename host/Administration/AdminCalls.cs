using PluginServer.Diagnostics;
using PluginServer.Supervision;

namespace PluginServer.Administration;

/// <summary>What the administration endpoint asks of the running host.</summary>
internal sealed record AdminCalls
{
    /// <summary>Whether new clients are welcome.</summary>
    public required Func<bool> IsReady { get; init; }

    /// <summary>What the host is doing.</summary>
    public required Func<ServerStatus> Status { get; init; }

    /// <summary>Every metric with its present series.</summary>
    public required Func<IReadOnlyList<(MetricFamily Family, IReadOnlyList<MetricPoint> Points)>> Metrics { get; init; }

    /// <summary>Who is connected to an endpoint, or to any; at most so many.</summary>
    public required Func<string?, int, ConnectionReport> Connections { get; init; }

    /// <summary>What happens to the host.</summary>
    public required EventStream Events { get; init; }

    /// <summary>Applies what has changed.</summary>
    public required Func<Task<ReloadOutcome>> ReloadAsync { get; init; }

    /// <summary>Takes a plugin back to the build before.</summary>
    public required Func<string, Task<ReloadOutcome>> RollbackAsync { get; init; }

    /// <summary>Names of the endpoints that can be paused, resumed and drained.</summary>
    public required Func<IReadOnlyList<string>> Endpoints { get; init; }

    /// <summary>Has an endpoint stop accepting; says what it does now, null where there is none of that name.</summary>
    public required Func<string, EndpointState?> Pause { get; init; }

    /// <summary>Has it accept again; says what it does now, null where there is none of that name.</summary>
    public required Func<string, EndpointState?> Resume { get; init; }

    /// <summary>Asks those inside an endpoint to finish, and cuts what is left after so long, by default shutdownTimeout; null where there is none
    /// of that name.</summary>
    public required Func<string, TimeSpan?, Task<DrainOutcome>?> DrainAsync { get; init; }

    /// <summary>Cuts a connection; null when there is none of that number, otherwise the name of its endpoint.</summary>
    public required Func<long, string?> Cut { get; init; }

    public static AdminCalls Of(Server server, Reloader reloader) => new()
    {
        IsReady = () => reloader.IsReady,
        Status = reloader.Status,
        Metrics = () => MetricsReport.All(server),
        Connections = (endpoint, limit) => ConnectionReport.Of(server, endpoint, limit),
        Events = server.Events,
        ReloadAsync = reloader.ReloadAsync,
        RollbackAsync = reloader.RollbackAsync,
        Endpoints = () => [.. server.Running.Select(static running => running.Endpoint.Name)],
        Pause = name => Do(server, name, static running => running.Pause()),
        Resume = name => Do(server, name, static running => running.Resume()),

        // Whoever asked may go away meanwhile: the drain is the host's.
        DrainAsync = (name, timeout) => Find(server, name)?.DrainAsync(timeout ?? server.Config.ShutdownTimeout, CancellationToken.None),
        Cut = id => server.Cut(id)?.Home.Name,
    };

    private static EndpointState? Do(Server server, string name, Action<RunningEndpoint> act)
    {
        if (Find(server, name) is not { } running)
        {
            return null;
        }

        act(running);
        return running.State;
    }

    private static RunningEndpoint? Find(Server server, string name) => server.Running.FirstOrDefault(running => running.Endpoint.Name == name);
}
