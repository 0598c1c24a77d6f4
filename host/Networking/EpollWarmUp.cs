using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime;

namespace PluginServer.Networking;

/// <summary>Has the transport echo to itself until the runtime has compiled, and compiled again from what it has seen, what every connection
/// runs. Without it the first clients after a start are served by code that costs two to three times as much: for a moment with two
/// processors, for seconds with one.</summary>
/// <remarks>Over pairs of sockets without an address: nothing is opened that anybody could reach, and no endpoint counts them.</remarks>
internal static class EpollWarmUp
{
    private const int Pairs = 8;
    private const int Messages = 4;
    private const int MessageBytes = 64;
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(5);

    /// <summary>Nothing has been compiled for so long. Longer than the runtime waits for a start to be over before it begins to count calls.</summary>
    private static readonly TimeSpan _settled = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan _longest = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(1);

    /// <summary>Returns at once; a thread of its own does it, while clients come. It gives up, and is only slower for it, when the system
    /// has no descriptors to spare, or when the transport is disposed.</summary>
    public static void Begin(EpollTransport transport) => new Thread(() => Run(transport)) { IsBackground = true, Name = "epoll warm-up" }.UnsafeStart();

    /// <summary>On the calling thread. How many messages came back.</summary>
    public static int Run(EpollTransport transport)
    {
        using var draining = new CancellationTokenSource();
        var (start, since, compiled) = (Stopwatch.GetTimestamp(), Stopwatch.GetTimestamp(), 0L);
        var echoed = 0;
        try
        {
            while (Stopwatch.GetElapsedTime(since) < _settled && Stopwatch.GetElapsedTime(start) < _longest)
            {
                echoed += Serve(transport, draining.Token);
                if (JitInfo.GetCompiledMethodCount() is var now && now != compiled)
                {
                    (compiled, since) = (now, Stopwatch.GetTimestamp());
                }
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // Whoever comes is served all the same.
        }

        return echoed;
    }

    /// <summary>Some connections, from their first event to their end.</summary>
    private static int Serve(EpollTransport transport, CancellationToken draining)
    {
        var clients = new List<Socket>();
        try
        {
            for (var pair = 0; pair < Pairs; pair++)
            {
                clients.Add(Connect(transport, draining));
            }

            for (var message = 0; message < Messages; message++)
            {
                Echo(clients);
                Thread.Sleep(_pause);
            }
        }
        finally
        {
            clients.ForEach(static client => client.Dispose());
        }

        return Pairs * Messages;
    }

    private static Socket Connect(EpollTransport transport, CancellationToken draining)
    {
        var (near, far) = Libc.Pair();
        var client = new Socket(new SafeSocketHandle(far, ownsHandle: true)) { ReceiveTimeout = (int)_patience.TotalMilliseconds };
        try
        {
            Libc.SetNonBlocking(near);
            using var accepted = new EpollAccepted(near, remote: default);
            var connection = transport.Attach(accepted, new ConnectionLimits { ReadLimit = 1 << 20 });
            connection.Start(new Echoing(connection, draining));
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>All ask before any is answered: the loop finds several events at once, as it will.</summary>
    private static void Echo(List<Socket> clients)
    {
        Span<byte> message = stackalloc byte[MessageBytes];
        foreach (var client in clients)
        {
            client.Send(message);
        }

        foreach (var client in clients)
        {
            client.Receive(message);
        }
    }

    private sealed class Echoing(TransportConnection connection, CancellationToken draining) : IConnectionOwner
    {
        public CancellationToken Draining => draining;

        public void Run() => _ = RunAsync();

        private async Task RunAsync()
        {
            try
            {
                while (true)
                {
                    var result = await connection.Input.ReadAsync(draining);
                    foreach (var segment in result.Buffer)
                    {
                        await connection.Output.WriteAsync(segment, CancellationToken.None);
                    }

                    connection.Input.AdvanceTo(result.Buffer.End);
                    if (result.IsCompleted)
                    {
                        break;
                    }
                }
            }
            catch (ConnectionClosedException)
            {
                // The client has gone without reading to the end.
            }

            await connection.FinishAsync();
        }
    }
}
