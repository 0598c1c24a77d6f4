namespace PluginServer.Configuration;

/// <summary>Options of each accepted socket.</summary>
internal sealed record SocketConfig
{
    public bool NoDelay { get; init; } = true;

    public bool KeepAlive { get; init; }

    /// <summary>SO_RCVBUF in bytes; 0 leaves it to the system, whose automatic tuning is usually better.</summary>
    public int ReceiveBuffer { get; init; }

    /// <summary>SO_SNDBUF in bytes; 0 leaves it to the system.</summary>
    public int SendBuffer { get; init; }
}
