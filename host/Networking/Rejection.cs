namespace PluginServer.Networking;

/// <summary>Why a client got to no handler, and what exactly was wrong where there is more to say.</summary>
internal readonly record struct Rejection(RejectReason Reason, string? Detail = null);
