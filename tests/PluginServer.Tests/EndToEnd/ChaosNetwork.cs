using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>What a network and a machine that is short of everything do to a host, at random.</summary>
internal sealed class ChaosNetwork(ChaosSite site, Random random, ChaosTally tally)
{
    private const int EnoughToFail = 7;
    private static readonly SocketError[] Errors = [.. Enum.GetValues<SocketError>().Where(error => error != SocketError.Success)];

    public async Task RageAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            // Honest endpoints less often: deaths in such number that they are always failed would keep their clients outside.
            if (random.OneIn(10))
            {
                Accepting(random.Pick(ChaosSite.Honest));
            }
            else
            {
                Any(random.Pick(ChaosSite.Exposed));
            }

            await random.PauseAsync(60, stop);
        }
    }

    private void Any(string endpoint)
    {
        var faults = site.Faults(endpoint);
        switch (random.Next(4))
        {
            case 0:
                faults.ResetAll();
                tally.Count("resets of all inside");
                break;
            case 1:
                faults.ResetAfter = random.OneIn(2) ? 0 : random.Next(1, 5000);
                tally.Count("resets planned");
                break;
            default:
                Accepting(endpoint);
                break;
        }
    }

    /// <summary>What costs nobody who is inside anything.</summary>
    private void Accepting(string endpoint)
    {
        var faults = site.Faults(endpoint);
        switch (random.Next(8))
        {
            case 0 or 1:
                Fail(faults, random.Pick(Errors), 1);
                tally.Count("accept errors planned");
                break;
            case 2:
                var error = random.Pick(Errors);
                Fail(faults, error, AcceptFaults.Classify(error) == AcceptFault.Continue ? random.Next(100, 1500) : random.Next(2, EnoughToFail));
                tally.Count("accept storms planned");
                break;
            case 3 when !ChaosSite.Honest.Contains(endpoint) || random.OneIn(4):
                var crashes = random.OneIn(10) ? EnoughToFail : random.Next(1, 3);
                faults.FailAccepts(Crash, crashes);
                tally.Count("acceptor crashes planned");
                break;
            case 4:
                var lost = random.Pick(Errors);
                faults.LoseNextAccepted(() => random.OneIn(4) ? Crash() : new SocketException((int)lost));
                tally.Count("clients lost after accept planned");
                break;
            case 5:
                faults.AcceptDelay = TimeSpan.FromMilliseconds(random.OneIn(2) ? 0 : random.Next(20));
                tally.Count("accept delays");
                break;
            case 6:
                // Not byte by byte where much is echoed: that would take longer than anyone waits.
                faults.ReadAtMost = random.Pick<int>(ChaosSite.Honest.Contains(endpoint) ? [0, 100, 1000] : [0, 0, 1, 7]);
                faults.ReadDelay = TimeSpan.FromMilliseconds(random.OneIn(2) ? 0 : random.Next(3));
                tally.Count("short or slow reads");
                break;
            default:
                faults.SmallSendBuffer = random.OneIn(2);
                tally.Count("short writes");
                break;
        }
    }

    private void Fail(FaultyTransport faults, SocketError error, int times) => faults.FailAccepts(
        () =>
        {
            tally.Count($"accept errors that {AcceptFaults.Classify(error)}");
            return new SocketException((int)error);
        },
        times);

    private InvalidOperationException Crash()
    {
        tally.Count("acceptor crashes");
        return new InvalidOperationException("a bug of ours");
    }
}
