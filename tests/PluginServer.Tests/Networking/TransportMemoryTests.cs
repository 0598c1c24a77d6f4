using System.Runtime.CompilerServices;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

[NonParallelizable]
[TestFixtureSource(typeof(TransportFactory), nameof(TransportFactory.Unhindered))]
public sealed class TransportMemoryTests(TransportFactory factory) : TransportTests(factory)
{
    private const int Echoes = 20_000;

    [Test]
    public async Task An_echo_in_steady_state_allocates_nothing([Values] bool withToken)
    {
        OnlyWithoutTls("SslStream allocates, on the client's side too");
        OnlyWithKernel("the client's side allocates");
        var link = await OpenAsync();
        using var draining = new CancellationTokenSource();
        _ = link.Server.Closed;
        var serving = link.ServeAsync(async connection =>
        {
            var token = withToken ? draining.Token : CancellationToken.None;
            while (true)
            {
                var result = await connection.Input.ReadAsync(token);
                foreach (var segment in result.Buffer)
                {
                    await connection.Output.WriteAsync(segment, token);
                }

                connection.Input.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                {
                    return;
                }
            }
        });
        var client = new Thread(() => PingPong(link, 2000));
        client.Start();
        client.Join();
        var measured = long.MaxValue;

        // The runtime allocates too, now and then; an object of ours for each echo would show in every round.
        for (var round = 0; round < 3; round++)
        {
            client = new Thread(() => measured = Math.Min(measured, PingPong(link, Echoes)));
            client.Start();
            client.Join();
        }

        link.Close();
        await serving.Within();
        Assert.That(measured / Echoes, Is.LessThan(8), "bytes per round trip");
    }

    [Test]
    public async Task Nothing_refers_to_a_handler_after_the_end([Values] bool aborted)
    {
        var link = await OpenAsync();
        var handler = await RunAsync(link, aborted);
        await Deadline.UntilAsync(() => Collected(handler), "the handler to be collected");
        GC.KeepAlive(link.Server);
    }

    // Allocates nothing of its own, so what the process allocates meanwhile is the server's.
    private static long PingPong(Link link, int count)
    {
        link.Client.Blocking = true;
        link.Client.ReceiveTimeout = 30_000;
        Span<byte> bytes = stackalloc byte[64];
        var before = GC.GetTotalAllocatedBytes();
        for (var turn = 0; turn < count; turn++)
        {
            link.Client.Send(bytes);
            for (var at = 0; at < bytes.Length;)
            {
                at += link.Client.Receive(bytes[at..]);
            }
        }

        return GC.GetTotalAllocatedBytes() - before;
    }

    private static bool Collected(WeakReference handler)
    {
        GC.Collect();
        return !handler.IsAlive;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<WeakReference> RunAsync(Link link, bool aborted)
    {
        var (handler, serving) = Start(link);
        await link.SendAsync(new byte[100]);
        await link.ReceiveAsync(8 << 20);
        await Deadline.UntilAsync(() => link.Received >= 100, "the request");
        if (aborted)
        {
            link.Server.Abort(CloseCause.Cut, "cut");
        }
        else
        {
            link.Close();
        }

        await serving.Within();
        return handler;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static (WeakReference Handler, Task Serving) Start(Link link)
    {
        var handler = new Handler();
        return (new WeakReference(handler), link.ServeAsync(handler.RunAsync));
    }

    // Reads and writes that wait, with tokens of its own, and one read that it leaves behind.
    private sealed class Handler
    {
        private readonly CancellationTokenSource _source = new();
        private readonly byte[] _answer = new byte[8 << 20];

        public async Task RunAsync(TransportConnection connection)
        {
            connection.Closed.Register(() => _source.Cancel());
            var result = await connection.Input.ReadAsync(_source.Token);
            connection.Input.AdvanceTo(result.Buffer.End);
            await connection.Output.WriteAsync(_answer, _source.Token);
            _ = LeftBehindAsync(connection);
            await Task.Yield();
        }

        private async Task LeftBehindAsync(TransportConnection connection)
        {
            try
            {
                await connection.Input.ReadAsync(_source.Token);
            }
            catch (IOException)
            {
                _answer[0] = 1;
            }
        }
    }
}
