namespace PluginServer.Configuration;

/// <summary>Who may come in, by the real client's address; what is left out lets everyone in.</summary>
internal sealed record AccessConfig
{
    public static readonly AccessConfig Open = new();

    public NetworkList Allow { get; init; } = NetworkList.None;

    public NetworkList Deny { get; init; } = NetworkList.None;

    /// <summary>Connections at a time from one address; 0 is no limit.</summary>
    public int ConnectionsPerAddress { get; init; }

    /// <summary>New connections a second from one address, and as many at once; 0 is no limit.</summary>
    public int ConnectionsPerSecond { get; init; }

    /// <summary>The longest match of both lists decides, and denies where both match alike. Where nothing matches, a list of who is allowed keeps out all others.</summary>
    public bool Allows(UInt128 address)
    {
        var (allowed, denied) = (Allow.LongestMatch(address), Deny.LongestMatch(address));
        return allowed > denied || (allowed < 0 && denied < 0 && Allow.IsEmpty);
    }
}
