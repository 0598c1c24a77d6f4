using System.Diagnostics.CodeAnalysis;

namespace PluginServer.Networking;

/// <summary>What an endpoint does with clients beyond a limit, until an edit replaces it.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A source without timer holds nothing to dispose, and an acceptor may look at it once more.")]
internal sealed class AdmissionRule(bool refuses)
{
    private readonly CancellationTokenSource _replaced = new();

    /// <summary>True: they are accepted and closed. False: they wait in the backlog.</summary>
    public bool Refuses => refuses;

    /// <summary>Cancelled when another rule holds, or a limit is lower: whoever waits under this one has to look again.</summary>
    public CancellationToken Replaced => _replaced.Token;

    public void Replace() => _ = _replaced.CancelAsync();
}
