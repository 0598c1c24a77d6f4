namespace PluginServer.Networking;

/// <summary>What a connection has of what its address may have at a time.</summary>
internal enum AddressHold
{
    /// <summary>Nothing: no limit was set when it came.</summary>
    None,

    /// <summary>It is one of those that count.</summary>
    Counted,

    /// <summary>It never counts: it comes from no address, or has left.</summary>
    Exempt,
}
