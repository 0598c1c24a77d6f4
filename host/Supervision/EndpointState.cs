namespace PluginServer.Supervision;

/// <summary>What an endpoint does with the clients that come; those inside are served in every state.</summary>
internal enum EndpointState
{
    /// <summary>It accepts.</summary>
    Listening,

    /// <summary>It does not accept, because somebody said so: clients wait in the backlog.</summary>
    Paused,

    /// <summary>It does not accept any more, and those inside were asked to finish.</summary>
    Draining,

    /// <summary>It should accept, but its acceptors keep dying or its port cannot be bound; it is tried again now and then.</summary>
    Failed,
}
