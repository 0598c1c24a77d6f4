namespace PluginServer.Supervision;

/// <summary>What an endpoint does with the clients that come; those inside are served in every state.</summary>
internal enum EndpointState
{
    /// <summary>It accepts.</summary>
    Listening,

    /// <summary>It does not accept any more, and those inside are asked to finish.</summary>
    Draining,
}
