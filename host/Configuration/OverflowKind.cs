namespace PluginServer.Configuration;

/// <summary>What becomes of clients beyond the limit, as <c>overflow</c> says.</summary>
internal enum OverflowKind
{
    /// <summary>They wait in the kernel's backlog until a place is free.</summary>
    Queue,

    /// <summary>They are accepted and closed at once.</summary>
    Refuse,
}
