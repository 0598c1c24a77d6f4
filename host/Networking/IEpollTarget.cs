namespace PluginServer.Networking;

/// <summary>What a descriptor in the loop stands for.</summary>
internal interface IEpollTarget
{
    /// <summary>Tells it from what had the same number before.</summary>
    uint Generation { get; }

    /// <summary>On the loop: the kernel says that something may be done. May take long, and may throw what a plugin has thrown.</summary>
    void Ready(uint events);
}
