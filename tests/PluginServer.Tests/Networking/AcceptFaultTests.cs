using System.Net.Sockets;
using PluginServer.Networking;

namespace PluginServer.Tests.Networking;

/// <summary>What each accept error is taken for, and how long an acceptor waits after it.</summary>
internal sealed class AcceptFaultTests
{
    // A value that is new in a later runtime backs off until somebody has read about it and put it here.
    private static readonly Dictionary<AcceptFault, SocketError[]> Table = new()
    {
        [AcceptFault.Stop] = [SocketError.OperationAborted, SocketError.NotSocket, SocketError.Shutdown, SocketError.InvalidArgument],
        [AcceptFault.Continue] =
        [
            SocketError.AccessDenied, SocketError.ConnectionAborted, SocketError.ConnectionReset, SocketError.ConnectionRefused, SocketError.Disconnecting,
            SocketError.HostDown, SocketError.HostNotFound, SocketError.HostUnreachable, SocketError.Interrupted, SocketError.NetworkDown, SocketError.NetworkReset,
            SocketError.NetworkUnreachable, SocketError.NotConnected, SocketError.OperationNotSupported, SocketError.ProtocolNotSupported, SocketError.ProtocolOption,
            SocketError.SocketNotSupported, SocketError.TimedOut, SocketError.TryAgain, SocketError.WouldBlock,
        ],
        [AcceptFault.BackOff] =
        [
            SocketError.AddressAlreadyInUse, SocketError.AddressFamilyNotSupported, SocketError.AddressNotAvailable, SocketError.AlreadyInProgress,
            SocketError.DestinationAddressRequired, SocketError.Fault, SocketError.InProgress, SocketError.IOPending, SocketError.IsConnected, SocketError.MessageSize,
            SocketError.NoBufferSpaceAvailable, SocketError.NoData, SocketError.NoRecovery, SocketError.NotInitialized, SocketError.ProcessLimit,
            SocketError.ProtocolFamilyNotSupported, SocketError.ProtocolType, SocketError.SocketError, SocketError.Success, SocketError.SystemNotReady,
            SocketError.TooManyOpenSockets, SocketError.TypeNotFound, SocketError.VersionNotSupported,
        ],
    };

    [Test]
    public void Every_socket_error_has_its_tier()
    {
        var tiers = Enum.GetValues<SocketError>().GroupBy(AcceptFaults.Classify).ToDictionary(tier => tier.Key, tier => tier.ToArray());
        Assert.That(tiers.Keys, Is.EquivalentTo(Table.Keys));
        foreach (var (tier, errors) in Table)
        {
            Assert.That(tiers[tier], Is.EquivalentTo(errors), tier.ToString());
        }
    }

    [Test]
    public void Shortages_are_waited_for_from_5_ms_doubling_to_1_s_until_a_success()
    {
        var backoff = new AcceptBackoff();
        int[] expected = [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000];
        Assert.That(expected.Select(_ => backoff.After(AcceptFault.BackOff).TotalMilliseconds), Is.EqualTo(expected));
        backoff.Restart();
        Assert.That(backoff.After(AcceptFault.BackOff).TotalMilliseconds, Is.EqualTo(5));
        Assert.That(backoff.After(AcceptFault.BackOff).TotalMilliseconds, Is.EqualTo(10));
        backoff.Reset();
        Assert.That(backoff.After(AcceptFault.BackOff).TotalMilliseconds, Is.EqualTo(5));
    }

    [Test]
    public void Lost_connections_cost_no_wait_until_a_hundred_in_a_row_and_never_more_than_50_ms()
    {
        var backoff = new AcceptBackoff();
        var waits = Enumerable.Range(1, 1000).Select(_ => backoff.After(AcceptFault.Continue).TotalMilliseconds).ToArray();
        Assert.That(waits.Where((_, index) => (index + 1) % AcceptBackoff.FreeErrors != 0), Is.All.Zero);
        Assert.That(waits.Where(wait => wait > 0), Is.EqualTo(new[] { 5, 10, 20, 40, 50, 50, 50, 50, 50, 50 }));
        backoff.Reset();
        Assert.That(backoff.After(AcceptFault.Continue), Is.EqualTo(TimeSpan.Zero));
    }
}
