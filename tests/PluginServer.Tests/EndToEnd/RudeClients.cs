using System.Globalization;
using System.Net.Sockets;
using System.Text;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Clients that misbehave, of handlers that do too, and crowds: they expect nothing but that each of them comes to an end.</summary>
internal sealed class RudeClients(ChaosSite site, Random random, ChaosTally tally)
{
    private static readonly string[] Orders =
    [
        "hello", "late", "unspeakable", "half a pair", "many", "too big", "interrupted", "cancelled after closed", "completed twice", "completed with an error",
        "completed with errors", "reads after completing", "writes after completing", "advances too far", "callback", "callbacks", "scribble",
        "block", "spin", "wait", "leave behind",
    ];

    private readonly byte[] _buffer = new byte[64 * 1024];

    /// <summary>One after the other.</summary>
    public async Task ComeAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            using var patience = new CancellationTokenSource(random.Next(100, 1500));
            try
            {
                await ComeOnceAsync(random.Pick(ChaosSite.Faulty), patience.Token);
            }
            catch (Exception error) when (error is SocketException or OperationCanceledException)
            {
                tally.Count("rude clients broken off");
            }

            await random.PauseAsync(20, stop);
        }
    }

    /// <summary>More at once than there is room for, again and again: each is served, refused or broken off, and never more are inside than may.</summary>
    public async Task CrowdAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            tally.Count("crowds");
            await Task.WhenAll(Enumerable.Range(0, random.Next(1, 3 * ChaosSite.CrowdLimit)).Select(_ => JoinCrowdAsync()));
            await random.PauseAsync(300, stop);
        }
    }

    private async Task ComeOnceAsync(string endpoint, CancellationToken patience)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(site.Address(endpoint), patience);
        var manner = random.Pick(["resets at once", "reads to the end", "sends bytes apart", "half-closes", "never reads", "floods"]);
        tally.Count($"client {manner}");
        var order = Encoding.ASCII.GetBytes($"{random.Pick(Orders)}\n");
        switch (manner)
        {
            case "reads to the end":
                await socket.SendAsync(order, patience);
                await ReadToEndAsync(socket, patience);
                break;
            case "sends bytes apart":
                for (var sent = 0; sent < order.Length; sent++)
                {
                    await socket.SendAsync(order.AsMemory(sent, 1), patience);
                    await random.PauseAsync(1, patience);
                }

                await ReadToEndAsync(socket, patience);
                break;
            case "half-closes":
                await socket.SendAsync(order, patience);
                socket.Shutdown(SocketShutdown.Send);
                await ReadToEndAsync(socket, patience);
                break;
            case "never reads":
                await socket.SendAsync(order, patience);
                await random.PauseAsync(300, patience);
                break;
            case "floods":
                while (true)
                {
                    await socket.SendAsync(_buffer, patience);
                }
        }

        if (manner == "resets at once" || random.OneIn(3))
        {
            socket.LingerState = new LingerOption(true, 0);
        }
    }

    private async Task JoinCrowdAsync()
    {
        try
        {
            using var client = await Client.ConnectAsync(site.Address("crowd"));
            var come = new byte[3];
            if (await client.Socket.ReceiveAsync(come, Deadline.Token) == 0)
            {
                tally.Count("crowd refused");
                return;
            }

            await client.SendAsync("out\n");
            var answer = Encoding.ASCII.GetString(await client.ReadToEndAsync());
            if (int.TryParse(answer, CultureInfo.InvariantCulture, out var most))
            {
                tally.Count("crowd served");
                if (most > ChaosSite.CrowdLimit)
                {
                    tally.Fail($"{most} were inside at the same time, of {ChaosSite.CrowdLimit}");
                }
            }
        }
        catch (SocketException)
        {
            tally.Count("crowd broken off");
        }
        catch (OperationCanceledException)
        {
            tally.Fail($"one of a crowd hangs: {site.Describe("crowd")}");
        }
    }

    private async Task ReadToEndAsync(Socket socket, CancellationToken patience)
    {
        while (await socket.ReceiveAsync(_buffer, patience) > 0)
        {
        }
    }
}
