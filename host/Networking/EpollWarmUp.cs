using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime;

namespace PluginServer.Networking;

/// <summary>Has the host echo to itself, from the accept to the close, until the runtime has compiled, and compiled again from what it has seen,
/// what every connection runs. Without it the first clients after a start are served by code that costs two to three times as much: for a
/// moment with two processors, for seconds with one; and what is compiled takes memory then that nobody expects.</summary>
internal static class EpollWarmUp
{
    private const int Clients = 8;
    private const int Messages = 4;
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(5);

    /// <summary>Nothing has been compiled for so long. Longer than the runtime waits for a start to be over before it begins to count calls.</summary>
    private static readonly TimeSpan _settled = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan _longest = TimeSpan.FromSeconds(5);

    /// <summary>Returns at once; a thread of its own does it, while clients come. It gives up, and is only slower for it, when the system
    /// has no descriptors to spare, when no socket can be made in the folder, or when the transport is disposed.</summary>
    /// <param name="transport">The one to warm up.</param>
    /// <param name="folder">Absolute path of one that the host has to itself.</param>
    /// <param name="isBusy">Whether clients are there: it pauses while they are, as they need the processors, and have compiled what they need themselves.</param>
    public static void Begin(EpollTransport transport, string folder, Func<bool> isBusy) =>
        new Thread(() => Run(transport, folder, isBusy)) { IsBackground = true, Name = "epoll warm-up" }.UnsafeStart();

    /// <summary>On the calling thread. How many messages came back.</summary>
    public static int Run(EpollTransport transport, string folder, Func<bool> isBusy)
    {
        var (start, since, compiled) = (Stopwatch.GetTimestamp(), Stopwatch.GetTimestamp(), 0L);
        var echoed = 0;
        try
        {
            using var endpoint = new WarmUpEndpoint(transport, folder);
            while (Stopwatch.GetElapsedTime(since) < _settled && Stopwatch.GetElapsedTime(start) < _longest)
            {
                if (isBusy())
                {
                    since = Stopwatch.GetTimestamp();
                    Thread.Sleep(_pause);
                    continue;
                }

                echoed += Serve(endpoint);
                if (JitInfo.GetCompiledMethodCount() is var now && now != compiled)
                {
                    (compiled, since) = (now, Stopwatch.GetTimestamp());
                }
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or ListenException or ArgumentException)
        {
            // Whoever comes is served all the same.
        }

        return echoed;
    }

    /// <summary>Some connections, from their first event to their end.</summary>
    private static int Serve(WarmUpEndpoint endpoint)
    {
        var clients = new List<Socket>();
        try
        {
            for (var client = 0; client < Clients; client++)
            {
                clients.Add(endpoint.Connect());
            }

            for (var message = 0; message < Messages; message++)
            {
                Echo(clients, pieces: 1 + (message % 2));
                Thread.Sleep(_pause);
            }
        }
        finally
        {
            clients.ForEach(static client => client.Dispose());
        }

        return Clients * Messages;
    }

    /// <summary>All ask before any is answered: the loop finds several events at once, as it will.</summary>
    private static void Echo(List<Socket> clients, int pieces)
    {
        Span<byte> message = stackalloc byte[WarmUpEndpoint.MessageBytes];
        for (var piece = 0; piece < pieces; piece++)
        {
            foreach (var client in clients)
            {
                client.Send(message[..(message.Length / pieces)]);
            }
        }

        foreach (var client in clients)
        {
            for (var rest = message; !rest.IsEmpty;)
            {
                rest = rest[Receive(client, rest)..];
            }
        }
    }

    private static int Receive(Socket client, Span<byte> target) =>
        client.Receive(target) is > 0 and var count ? count : throw new SocketException((int)SocketError.ConnectionReset);
}
