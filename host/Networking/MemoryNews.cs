namespace PluginServer.Networking;

/// <summary>What an end of a pair in memory is told of.</summary>
[Flags]
internal enum MemoryNews
{
    None = 0,

    /// <summary>A receive may find bytes.</summary>
    Arrival = 1,

    /// <summary>A send that was short may go on.</summary>
    Room = 2,

    /// <summary>The peer's FIN is behind the bytes.</summary>
    Ended = 4,

    /// <summary>The peer has reset it.</summary>
    Reset = 8,
}
