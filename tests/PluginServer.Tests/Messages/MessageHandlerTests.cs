using System.Globalization;
using System.Text;
using PluginServer.Networking;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Messages;

/// <summary>What a <see cref="MessageHandler{TMessage}"/> is called for, in which order, and how its connection ends.</summary>
internal sealed class MessageHandlerTests
{
    [Test]
    public async Task Messages_that_come_together_or_in_pieces_are_dealt_with_in_order([Values("epoll", "sockets")] string transport)
    {
        await using var site = await MessageSite.StartAsync("CallsHandler", transport: transport);
        using var client = await site.ConnectAsync("1");
        await client.SendAsync("one\ntwo\r\n\nthr");
        Assert.That((await client.ReadLineAsync(), await client.ReadLineAsync(), await client.ReadLineAsync()), Is.EqualTo(("one", "two", "")));
        await client.SendAsync("ee\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("three"));
        client.SendFin();
        Assert.That(await client.ReadTextToEndAsync(), Is.Empty);
        Assert.That(await CallsAsync(site, 1), Is.EqualTo("connected | one | two |  | three | disconnected in order"));
        await site.Server.AssertNothingLeftAsync();
        Assert.That(site.Server.Endpoint().Counters.HandlerFaults, Is.Zero);
    }

    [Test]
    public async Task What_comes_before_a_FIN_is_answered_and_a_part_of_a_message_is_no_message()
    {
        await using var site = await MessageSite.StartAsync("CallsHandler");
        using var client = await site.ConnectAsync("1");
        await client.SendAsync("one\ntwo\nthr");
        client.SendFin();
        Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("one\ntwo\n"));
        Assert.That(await CallsAsync(site, 1), Is.EqualTo("connected | one | two | disconnected InvalidMessageException: the peer has left in the middle of a message"));
    }

    [Test]
    public async Task A_handler_that_finishes_reads_no_further()
    {
        await using var site = await MessageSite.StartAsync("CallsHandler");
        using var client = await site.ConnectAsync("1");
        await client.SendAsync("one\nfinish\ntwo\n");
        Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("one\nbye\n"));
        Assert.That(await CallsAsync(site, 1), Is.EqualTo("connected | one | finish | disconnected in order"));
    }

    [Test]
    public async Task An_exception_is_a_fault_and_the_last_call_is_told_it()
    {
        await using var site = await MessageSite.StartAsync("CallsHandler");
        using var client = await site.ConnectAsync("1");
        await client.SendAsync("throw\n");
        Assert.That(await client.EndsInResetAsync(), Is.True);
        Assert.That(await CallsAsync(site, 1), Is.EqualTo("connected | throw | disconnected InvalidOperationException: as the client wished"));
        using var sulky = await site.ConnectAsync("3");
        await sulky.SendAsync("sulky\nthrow\n");
        Assert.That(await sulky.EndsInResetAsync(), Is.True);
        await Deadline.UntilAsync(() => site.Server.Endpoint().Counters.HandlerFaults == 2, "both are counted");
        Assert.That(site.Server.Log, Has.Some.Contains("as the client wished").And.Some.Contains("at the end, too"));
    }

    [Test]
    public async Task An_abort_and_a_reset_are_no_faults_and_the_last_call_is_told_the_reason()
    {
        await using var site = await MessageSite.StartAsync("CallsHandler");
        using var client = await site.ConnectAsync("1");
        await client.SendAsync("abort\n");
        Assert.That(await client.EndsInResetAsync(), Is.True);
        Assert.That(await CallsAsync(site, 1), Is.EqualTo("connected | abort | disconnected ConnectionClosedException: as the client wished"));
        var rude = await site.ConnectAsync("3");
        rude.Reset();
        Assert.That(await CallsAsync(site, 3), Is.EqualTo("connected | disconnected ConnectionClosedException: The peer reset the connection."));
        Assert.That(site.Server.Endpoint().Counters.HandlerFaults, Is.Zero);
    }

    [Test]
    public async Task What_is_no_message_ends_the_connection_with_its_reason_after_the_answers_before()
    {
        await using var site = await MessageSite.StartAsync("CallsHandler");
        using var client = await site.ConnectAsync("1");
        await client.SendAsync("one\n" + new string('x', 100) + "\ntwo\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("one"));
        Assert.That(await client.EndsInResetAsync(), Is.True);
        Assert.That(await CallsAsync(site, 1), Is.EqualTo("connected | one | invalid | disconnected InvalidMessageException: a line has more than 32 bytes"));
        Assert.That(site.Server.Endpoint().Counters.EndedByCause[(int)CloseCause.Aborted], Is.EqualTo(1));
        Assert.That(site.Server.Endpoint().Counters.HandlerFaults, Is.Zero);

        using var polite = await site.ConnectAsync("3");
        await polite.SendAsync("polite\n" + new string('x', 100));
        Assert.That(await polite.ReadTextToEndAsync(), Is.EqualTo("polite\nno: a line has more than\n"));
        Assert.That(await CallsAsync(site, 3), Does.EndWith("invalid | disconnected InvalidMessageException: a line has more than 32 bytes"));
    }

    [Test]
    public async Task A_drain_is_told_between_two_messages_and_ends_the_connection_unless_the_handler_goes_on()
    {
        await using var site = await MessageSite.StartAsync("CallsHandler");
        using var client = await site.ConnectAsync("1");
        using var stubborn = await site.ConnectAsync("2");
        Assert.That(await MessageSite.AskAsync(stubborn, "stubborn"), Is.EqualTo("stubborn"));
        await client.SendAsync("hal");
        await Deadline.UntilAsync(() => site.Server.Endpoint().Connections.All.Any(connection => connection.Transport.BytesReceived == 3), "half a message is there");
        site.Server.Endpoint().Connections.Drain();
        Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("draining\n"));
        Assert.That(await stubborn.ReadLineAsync(), Is.EqualTo("draining"));
        Assert.That(await MessageSite.AskAsync(stubborn, "still"), Is.EqualTo("still"));
        Assert.That(await MessageSite.AskAsync(stubborn, "calls 1"), Is.EqualTo("connected | draining | disconnected in order"));
    }

    [Test]
    public async Task A_client_that_takes_nothing_holds_the_handler_back()
    {
        const int Much = 64 * 1024 * 1024;
        await using var site = await MessageSite.StartAsync("CallsHandler");
        using var client = await site.ConnectAsync("1");
        await client.SendAsync(string.Create(CultureInfo.InvariantCulture, $"big {Much}\nlast\n"));
        var connection = site.Server.Endpoint().Connections.All.Single();

        // A flush waits from then on: the handler writes no more before the client has read, and the kernel takes no more than it has room for.
        await Deadline.UntilAsync(() => connection.Transport.Unsent >= TransportConnection.FlushThreshold, "the handler is held back");
        Assert.That(connection.Transport.Unsent, Is.LessThan(3 * TransportConnection.FlushThreshold));
        Assert.That(connection.Transport.BytesSent, Is.LessThan(Much / 2), "the kernel's buffers");
        client.SendFin();
        var all = Encoding.ASCII.GetString(await client.ReadToEndAsync());
        Assert.That(all, Has.Length.EqualTo(Much / 32 * 33 + "last\n".Length));
        Assert.That(all, Does.EndWith("x\nlast\n"));
    }

    [Test]
    public async Task Who_takes_too_long_for_one_message_is_closed_and_who_is_idle_or_quick_is_not()
    {
        var time = new ManualTime();
        await using var site = await MessageSite.StartAsync("CallsHandler", ", \"messageTimeout\": \"00:00:10\"", time);
        using var slow = await site.ConnectAsync("1");
        using var idle = await site.ConnectAsync("2");
        using var quick = await site.ConnectAsync("3");
        await slow.SendAsync("hal");
        await WithinAsync(site, 1);
        for (var second = 0; second < 30; second++)
        {
            await quick.SendAsync("x");
            await WithinAsync(site, 3);
            time.Pass(TimeSpan.FromSeconds(1));
            Assert.That(await MessageSite.AskAsync(quick, "y"), Is.EqualTo("xy"));
            if (second == 7)
            {
                Assert.That(Connection(site, 1)!.Transport.End.Cause, Is.EqualTo(CloseCause.None), "not before its time");
                await slow.SendAsync("f");
            }
        }

        Assert.That(await slow.EndsInResetAsync(), Is.True);
        Assert.That(await CallsAsync(site, 1), Is.EqualTo("connected | disconnected ConnectionClosedException: one message took longer than messageTimeout 00:00:10"));
        Assert.That(await MessageSite.AskAsync(idle, "here"), Is.EqualTo("here"));
        Assert.That(site.Server.Endpoint().Counters.EndedByCause[(int)CloseCause.TimedOut], Is.EqualTo(1));
    }

    [Test]
    public async Task Who_sends_a_message_below_the_minimum_rate_is_closed()
    {
        var time = new ManualTime();
        await using var site = await MessageSite.StartAsync("CallsHandler", ", \"minimumRate\": 4", time);
        using var slow = await site.ConnectAsync("1");
        using var fast = await site.ConnectAsync("2");
        var sent = 0;
        while (Connection(site, 1) is { } connection && connection.Transport.End.Cause == CloseCause.None)
        {
            Assert.That(++sent, Is.LessThan(6), "2 bytes a second are too few");
            await slow.SendAsync("ab");
            await fast.SendAsync("abcdef");
            await Deadline.UntilAsync(() => Connection(site, 2)!.Transport.BytesReceived == 6 * sent, "received");
            time.Pass(TimeSpan.FromSeconds(1));
        }

        Assert.That(await slow.EndsInResetAsync(), Is.True);
        Assert.That(await CallsAsync(site, 1), Does.EndWith("ConnectionClosedException: a message came at less than minimumRate 4 B/s"));
        Assert.That(Connection(site, 2)!.Transport.End.Cause, Is.EqualTo(CloseCause.None));
    }

    [Test]
    public async Task An_edit_of_the_limits_counts_from_then_on()
    {
        var time = new ManualTime();
        var workspace = new Workspace().With("Messages");
        Configure("null");
        await using var server = await TestServer.StartAsync(workspace, time);
        using var client = await server.ConnectAsync();
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("1"));
        await client.SendAsync("hal");
        await Deadline.UntilAsync(() => server.Endpoint().Connections.All.Single().Handler is IMessageLoop { IsWithin: true }, "within a message");
        time.Pass(TimeSpan.FromMinutes(1));
        Configure("\"00:00:10\"");
        Assert.That((await server.Reloader.ReloadAsync()).Changes, Is.EqualTo(["endpoint test: messageTimeout: null -> 00:00:10"]));
        time.Pass(TimeSpan.FromSeconds(9));
        Assert.That(server.Endpoint().Connections.All.Single().Transport.End.Cause, Is.EqualTo(CloseCause.None));
        time.Pass(TimeSpan.FromSeconds(5));
        Assert.That(await client.EndsInResetAsync(), Is.True);

        void Configure(string timeout) =>
            workspace.Configure($$"""[{ "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Messages", "handler": "CallsHandler", "messageTimeout": {{timeout}} }]""");
    }

    [TestCase("HalfHandler\", \"messageTimeout\": \"00:00:05", "endpoints[0].messageTimeout: HalfHandler of plugin Messages is no MessageHandler, so the host does not know where a message begins; remove it")]
    [TestCase("OddHandler", "plugin Messages: OddHandler is an ICodeChange and no MessageHandler, so there is no moment between two messages at which its connections could move; derive it from MessageHandler<T>, or remove the interface")]
    public void What_only_messages_can_have_is_refused_for_other_handlers(string handler, string expected)
    {
        using var workspace = new Workspace().With("Messages").Configure($$"""[{ "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Messages", "handler": "{{handler}}" }]""");
        Assert.That(async () => await TestServer.StartAsync(workspace), Throws.InstanceOf<StartException>().With.Message.Contains(expected));
    }

    [Test]
    public void There_is_no_connection_before_it_has_come() =>
        Assert.That(() => new EarlyHandler(), Throws.InvalidOperationException.With.Message.EqualTo("There is no connection yet: it comes with OnConnectedAsync."));

    private static ServedConnection? Connection(MessageSite site, long id) => site.Server.Endpoint().Connections.All.FirstOrDefault(connection => connection.Id == id);

    private static Task WithinAsync(MessageSite site, long id) => Deadline.UntilAsync(() => Connection(site, id)?.Handler is IMessageLoop { IsWithin: true }, $"{id} is within a message");

    /// <summary>What the handler of a connection that has ended was called for.</summary>
    private static async Task<string> CallsAsync(MessageSite site, long id)
    {
        using var client = await site.Server.ConnectAsync();
        await client.ReadLineAsync();
        var calls = "";
        await Deadline.UntilAsync(async () => (calls = await MessageSite.AskAsync(client, string.Create(CultureInfo.InvariantCulture, $"calls {id}"))).Contains("disconnected", StringComparison.Ordinal), () => calls);
        return calls;
    }

    private sealed class EarlyHandler : MessageHandler<string>
    {
        public EarlyHandler()
            : base(new LineProtocol()) => _ = Connection;

        protected override ValueTask OnMessageAsync(string message) => default;
    }
}
