namespace PluginServer.Networking;

/// <summary>How causes are named in metrics.</summary>
internal static class CloseCauses
{
    private static readonly CloseCause[] _all = Enum.GetValues<CloseCause>();

    public static int Count => _all.Length;

    /// <summary>Null for an end in order.</summary>
    public static string? Name(CloseCause cause) => cause switch
    {
        CloseCause.None => null,
        CloseCause.Reset => "reset",
        CloseCause.Aborted => "aborted",
        CloseCause.Cut => "cut",
        CloseCause.ReadLimit => "read_limit",
        CloseCause.Fault => "fault",
        _ => "timed_out",
    };
}
