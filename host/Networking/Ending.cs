namespace PluginServer.Networking;

/// <summary>Why a connection ended and in words: what status, log and later calls of the handler are told.</summary>
internal sealed record Ending(CloseCause Cause, string? Reason)
{
    /// <summary>The handler returned and everything was sent.</summary>
    public static readonly Ending Orderly = new(CloseCause.None, null);

    public ConnectionClosedException ToException() => new(Reason ?? "The connection has ended: its handler returned.");
}
