namespace PluginServer.Networking;

/// <summary>Limits that every connection of an endpoint looks at, so that an edit reaches those inside too.</summary>
internal sealed class ConnectionLimits
{
    private int _readLimit;

    /// <summary>Bytes received and examined but not consumed.</summary>
    public int ReadLimit
    {
        get => Volatile.Read(ref _readLimit);
        set => Volatile.Write(ref _readLimit, value);
    }
}
