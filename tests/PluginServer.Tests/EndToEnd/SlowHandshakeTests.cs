using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Clients that never finish their handshakes delay nobody, and are gone at the deadline.</summary>
[Category("Long")]
[NonParallelizable]
[TestFixture("epoll")]
[TestFixture("sockets")]
internal sealed class SlowHandshakeTests(string transport)
{
    private const int Samples = 30;
    private const int Ports = 3;

    /// <summary>Small enough to be waited for, and long enough for the others to be measured meanwhile.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(Size > 100 ? 10 : 3);

    private readonly TlsSite _site = new(transport);

    private static int Size => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_SLOW_CLIENTS"), out var size) ? size : 60;

    [SetUp]
    public void Fill() => _site.Fill();

    [TearDown]
    public void Remove() => _site.Dispose();

    [Test]
    public async Task Clients_that_never_finish_their_handshakes_delay_nobody_and_are_gone_at_the_deadline()
    {
        await using var server = await _site.StartAsync(more: $", \"maxConnections\": {Size + 100}, \"handshakeTimeout\": \"{Timeout:c}\"");
        var endpoint = server.Endpoint();
        await MeasureAsync(server);
        var before = await MeasureAsync(server);

        var hello = TlsSite.Hello();
        var slow = new List<Task<(TimeSpan AtLeast, TimeSpan AtMost)>>();
        for (var number = 0; number < Size; number++)
        {
            slow.Add(StayAsync(endpoint.LocalEndPoint, number % Ports, hello));
        }

        await Deadline.UntilAsync(() => endpoint.Handshakes.Count + endpoint.Counters.Rejected == Size, "all slow ones have come");
        var present = endpoint.Handshakes.Count;
        var during = await MeasureAsync(server);
        var (left, ended) = (endpoint.Handshakes.Count, endpoint.Counters.Rejected);
        TestContext.Out.WriteLine($"{transport}: a handshake takes {Text(before)} before, {Text(during)} with {present} slow clients, of whom {left} were left after that");
        Assert.That((present, ended), Is.EqualTo((Size, 0)), "they were there all the time");

        // Ten times what two measurements of the same differ by.
        var noise = TimeSpan.FromMilliseconds(Math.Max(1, (before[Samples * 9 / 10] - before[Samples / 10]).TotalMilliseconds));
        Assert.That(during[Samples / 2] - before[Samples / 2], Is.LessThan(10 * noise));

        var stays = await Task.WhenAll(slow).Within();
        TestContext.Out.WriteLine($"{transport}: the slow ones were gone after {stays.Min(stay => stay.AtMost).TotalSeconds:0.00} to {stays.Max(stay => stay.AtMost).TotalSeconds:0.00} s of {Timeout.TotalSeconds} s");
        Assert.That(stays.Select(stay => stay.AtMost), Has.All.GreaterThan(Timeout - TimeSpan.FromMilliseconds(50)), "nobody has less time than the deadline gives");
        Assert.That(stays.Select(stay => stay.AtLeast), Has.All.LessThan(Timeout + TimeSpan.FromSeconds(2)), "nobody has more");
        await server.AssertNothingLeftAsync();
        Assert.That(server.Reloader.Status().Endpoints.Single().RejectedByReason, Is.EqualTo([("handshake_timeout", (long)Size)]));
        Assert.That((endpoint.Counters.Accepted, endpoint.Counters.AcceptErrors, endpoint.Counters.AcceptorRestarts), Is.EqualTo((3 * Samples, 0, 0)));
        Assert.That(server.Log.Count(line => line.Contains(" is rejected: ", StringComparison.Ordinal)), Is.LessThan(Size / 2), "they are not told one by one");
    }

    private static string Text(List<TimeSpan> sorted) =>
        $"{sorted[Samples / 2].TotalMilliseconds:0.0} ms ({sorted[Samples / 10].TotalMilliseconds:0.0} to {sorted[Samples * 9 / 10].TotalMilliseconds:0.0})";

    /// <summary>How long it takes clients, one after the other, from connecting to the first word of the handler.</summary>
    private static async Task<List<TimeSpan>> MeasureAsync(TestServer server)
    {
        var all = new List<TimeSpan>();
        for (var number = 0; number < Samples; number++)
        {
            var watch = Stopwatch.StartNew();
            using var client = await server.ConnectAsync();
            await using var tls = await TlsSite.EnterAsync(client);
            Assert.That(await tls.ReadAsync(new byte[1], Deadline.Token), Is.EqualTo(1));
            all.Add(watch.Elapsed);
        }

        all.Sort();
        return all;
    }

    /// <summary>Sends nothing, or half of what is due, or a byte a second of it, until the server has had enough; how long that has taken it,
    /// since the client was connected and since it began to connect.</summary>
    private static async Task<(TimeSpan AtLeast, TimeSpan AtMost)> StayAsync(EndPoint server, int kind, byte[] hello)
    {
        var watch = Stopwatch.StartNew();
        using var client = await Client.ConnectAsync(server);
        var connected = watch.Elapsed;
        if (kind == 1)
        {
            await client.SendAsync(hello.AsMemory(0, hello.Length / 2));
        }

        var end = client.EndsInResetAsync();
        for (var sent = 0; kind == 2 && !end.IsCompleted; sent++)
        {
            try
            {
                await client.SendAsync(hello.AsMemory(sent, 1));
            }
            catch (SocketException)
            {
                // It is over; how, the other side of it tells.
                break;
            }

            await Task.WhenAny(end, Task.Delay(TimeSpan.FromSeconds(1)));
        }

        await end;
        return (watch.Elapsed - connected, watch.Elapsed);
    }
}
