using PluginServer.Networking;

namespace PluginServer.Supervision;

/// <summary>One connection at one moment.</summary>
/// <param name="Id">Unique over all endpoints of the host.</param>
/// <param name="Endpoint">Where it came in.</param>
/// <param name="Remote">Who it is: behind a trusted proxy the real client; "unix" where it has no address.</param>
/// <param name="Plugin">What serves it.</param>
/// <param name="Generation">Of that plugin.</param>
/// <param name="Age">Since it was accepted.</param>
/// <param name="Idle">Since a byte last moved either way; null where the system does not tell.</param>
/// <param name="BytesReceived">From the client.</param>
/// <param name="BytesSent">To the client.</param>
internal sealed record ConnectionStatus(long Id, string Endpoint, string Remote, string Plugin, int Generation, TimeSpan Age, TimeSpan? Idle, long BytesReceived, long BytesSent);

/// <summary>Who is connected.</summary>
/// <param name="Total">How many there are; the list may be shorter.</param>
/// <param name="Connections">The oldest first.</param>
internal sealed record ConnectionReport(int Total, IReadOnlyList<ConnectionStatus> Connections)
{
    /// <param name="server">The host.</param>
    /// <param name="endpoint">Name of one endpoint; null is all.</param>
    /// <param name="limit">How many at most.</param>
    public static ConnectionReport Of(Server server, string? endpoint, int limit)
    {
        var inside = server.Inside.Where(connection => endpoint is null || connection.Home.Name == endpoint).ToList();
        return new ConnectionReport(inside.Count, [.. inside.OrderBy(static connection => connection.Id).Take(limit).Select(Of)]);
    }

    private static ConnectionStatus Of(ServedConnection connection)
    {
        var (transport, age) = (connection.Transport, connection.Home.Age(connection));

        // The kernel counts in ticks of its own, and may be a little ahead.
        var idle = transport.Wire.Quiet is { } quiet ? TimeSpan.FromTicks(Math.Min(quiet.Ticks, age.Ticks)) : (TimeSpan?)null;
        return new ConnectionStatus(connection.Id, connection.Home.Name, connection.RemoteName, connection.Generation.Build.Name, connection.Generation.Number, age, idle, transport.BytesReceived, transport.BytesSent);
    }
}
