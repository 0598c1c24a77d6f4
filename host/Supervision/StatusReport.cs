using System.Reflection;
using PluginServer.Networking;
using PluginServer.Plugins;

namespace PluginServer.Supervision;

/// <summary>Takes the picture that status shows.</summary>
internal static class StatusReport
{
    /// <summary>The host's own version.</summary>
    public static readonly string Version = typeof(StatusReport).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    public static ServerStatus Of(Server server, string file, Refusal refusal, DateTimeOffset now) => new(
        Environment.ProcessId,
        Version,
        server.StartedAt,
        server.Revision,
        new ConfigStatus(Path.GetFullPath(file), refusal.Errors.Count == 0, refusal.Errors, refusal.WaitsFor),
        [.. server.Running.Select(Endpoint)],
        [.. server.Plugins.Where(plugin => plugin.Active is not null || plugin.Generations.Count > 0).Select(plugin => Plugin(server, plugin))])
    {
        Ready = server.IsReady,
        ActiveConnections = server.Running.Sum(running => running.Endpoint.Connections.Count),
        MaxConnections = server.Places.Limit,
        Problems = [.. Problems.Of(server, refusal, now)],
    };

    private static EndpointStatus Endpoint(RunningEndpoint running)
    {
        var endpoint = running.Endpoint;
        var binding = endpoint.Slot.Current!;
        var counters = endpoint.Counters;
        var live = endpoint.Connections.All.Select(connection => connection.Transport).ToList();
        return new EndpointStatus
        {
            Name = endpoint.Name,
            Address = endpoint.Config.AddressText,
            Port = endpoint.Port,
            Plugin = binding.Generation.Build.Name,
            Handler = binding.Handler,
            Generation = binding.Generation.Number,
            State = running.State.ToString().ToLowerInvariant(),
            Transport = endpoint.Transport.Name,
            Acceptors = endpoint.Config.Acceptors,
            AcceptorRestarts = counters.AcceptorRestarts,
            AcceptErrors = counters.AcceptErrors,
            ActiveConnections = endpoint.Connections.Count,
            MaxConnections = endpoint.Places.Limit,
            AcceptedConnections = counters.Accepted,
            RejectedConnections = counters.Rejected,
            RejectedByReason = [.. counters.RejectedByReason.Index().Where(reason => reason.Item > 0).Select(reason => (RejectReasons.Name((RejectReason)reason.Index), reason.Item))],
            HandlerFaults = counters.HandlerFaults,
            BytesReceived = counters.Received + live.Sum(transport => transport.BytesReceived),
            BytesSent = counters.Sent + live.Sum(transport => transport.BytesSent),
        };
    }

    private static PluginStatus Plugin(Server server, RunningPlugin plugin) => new(
        plugin.Name,
        "none",
        plugin.Active?.Dispatch.IsOwn == true ? "own" : "inline",
        plugin.Active?.Version ?? plugin.Generations[0].Version,
        plugin.LastError,
        [.. plugin.Generations.Select(generation => Generation(server, generation))
            .Concat(plugin.Failed.Select(failed => new GenerationStatus(failed.Number, failed.Sha256, "failed", 0, failed.At, null, null, null, failed.Error)))
            .OrderByDescending(generation => generation.Number)]);

    private static GenerationStatus Generation(Server server, PluginGeneration generation) => new(
        generation.Number,
        generation.Build.Sha256,
        generation.State.ToString().ToLowerInvariant(),
        generation.Leases,
        generation.LoadedAt,
        server.Endpoints.SelectMany(endpoint => endpoint.Connections.All.Where(connection => connection.Generation == generation).Select(connection => (TimeSpan?)endpoint.Age(connection)))
            .Max(),
        generation.DrainDeadline,
        generation.Leak,
        null)
    {
        Version = generation.Version,
        StrayFaults = generation.StrayFaults,
    };
}
