using System.Globalization;
using System.Net;
using System.Text;
using PluginServer.Diagnostics;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Messages;

/// <summary>Messages to all members of a group: who gets them, when, and what becomes of those who take nothing.</summary>
internal sealed class ConnectionGroupTests
{
    private const int Header = 8;

    [Test]
    public async Task Members_get_what_is_said_and_others_do_not([Values("epoll", "sockets")] string transport)
    {
        await using var site = await MessageSite.StartAsync("RoomHandler", transport: transport);
        using var one = await JoinedAsync(site, "room");
        using var two = await JoinedAsync(site, "room");
        using var three = await JoinedAsync(site, "other");
        await one.SendAsync("say room hello\n");
        Assert.That((await one.ReadLineAsync(), await two.ReadLineAsync()), Is.EqualTo(("hello", "hello")));
        await one.SendAsync("others room again\n");
        Assert.That(await two.ReadLineAsync(), Is.EqualTo("again"));
        Assert.That(await MessageSite.AskAsync(one, "mine"), Is.EqualTo("mine"), "and not its own");
        Assert.That(await MessageSite.AskAsync(three, "mine"), Is.EqualTo("mine"), "of another group");
        Assert.That(await MessageSite.AskAsync(one, "count room"), Is.EqualTo("2 1"));
        Assert.That(await MessageSite.AskAsync(two, "join room"), Is.EqualTo("joined"), "nothing to do");
        Assert.That(await MessageSite.AskAsync(two, "leave room"), Is.EqualTo("left"));
        Assert.That(await MessageSite.AskAsync(two, "leave room"), Is.EqualTo("left"), "nothing to do");
        Assert.That(await MessageSite.AskAsync(one, "count room"), Is.EqualTo("1 1"));
        await one.SendAsync("say room alone\n");
        Assert.That(await one.ReadLineAsync(), Is.EqualTo("alone"));
        Assert.That(await MessageSite.AskAsync(two, "mine"), Is.EqualTo("mine"));
        await one.SendAsync("say nowhere nothing\nstill\n");
        Assert.That(await one.ReadLineAsync(), Is.EqualTo("still"));
    }

    [Test]
    public async Task Who_ends_leaves_all_its_groups_and_who_moves_stays_in_them()
    {
        await using var site = await MessageSite.StartAsync("RoomHandler");
        using var stays = await JoinedAsync(site, "room");
        var ends = await JoinedAsync(site, "room");
        Assert.That(await MessageSite.AskAsync(ends, "join more"), Is.EqualTo("joined"));
        ends.Dispose();
        await Deadline.UntilAsync(async () => await MessageSite.AskAsync(stays, "count room") == "1 1" && await MessageSite.AskAsync(stays, "count more") == "0 1", "it has left both");
        await site.SwapAsync("2");
        using var later = await JoinedAsync(site, "room");
        await site.ServedByAsync(2, connections: 2);
        await later.SendAsync("say room hello\n");
        Assert.That((await stays.ReadLineAsync(), await later.ReadLineAsync()), Is.EqualTo(("hello", "hello")));
        Assert.That(await MessageSite.AskAsync(stays, "count room"), Is.EqualTo("2 2"));
    }

    [Test]
    public async Task Nothing_comes_into_the_middle_of_what_a_member_writes([Values("epoll", "sockets")] string transport)
    {
        await using var site = await MessageSite.StartAsync("HalfHandler", transport: transport);
        using var client = await site.ConnectAsync();
        var groups = await GroupsAsync(site, "half", 1);
        await groups.SendAsync("half", "one\n"u8.ToArray());
        await groups.SendAsync("half", "two\n"u8.ToArray());
        await client.SendAsync("x");
        Assert.That((await client.ReadLineAsync(), await client.ReadLineAsync(), await client.ReadLineAsync()), Is.EqualTo(("first second", "one", "two")));
        await groups.SendAsync("half", "three\n"u8.ToArray());
        await client.SendAsync("x");
        Assert.That((await client.ReadLineAsync(), await client.ReadLineAsync()), Is.EqualTo(("first second", "three")));
    }

    [Test]
    public async Task What_waits_for_a_flush_is_bounded_too()
    {
        await using var site = await MessageSite.StartAsync("HalfHandler");
        using var client = await site.ConnectAsync();
        var groups = await GroupsAsync(site, "half", 1);
        var message = new byte[64 * 1024];
        for (var sent = 0; sent < ConnectionGroups.MostWaiting; sent += message.Length)
        {
            await groups.SendAsync("half", message);
        }

        Assert.That(site.Server.Endpoint().Connections.All.Single().Transport.End.Cause, Is.EqualTo(CloseCause.None), "as much as is allowed");
        await groups.SendAsync("half", new byte[1]);
        Assert.That(await client.EndsInResetAsync(), Is.True);
        await Deadline.UntilAsync(() => site.Server.Endpoint().Counters.Cut == 1, "counted as cut");
        Assert.That(site.Server.Log, Has.One.Contains("is cut: more than 1048576 B of what its group 'half' was sent wait for it"));
        Assert.That(site.Server.Server.Events.Last.Last(happened => happened.Kind == HostEventKind.Cut).Text, Does.EndWith("which took too little of what its group 'half' was sent"));
        Assert.That(site.Server.Endpoint().Counters.HandlerFaults, Is.Zero);
        await site.Server.AssertNothingLeftAsync();
        Assert.That(await groups.CountAsync("half"), Is.Zero);
    }

    [Test]
    public async Task Wrong_names_and_foreign_connections_are_refused_and_one_that_has_ended_joins_nothing()
    {
        await using var site = await MessageSite.StartAsync("HalfHandler");
        var client = await site.ConnectAsync();
        var groups = await GroupsAsync(site, "half", 1);
        Assert.That(async () => await groups.CountAsync(" "), Throws.ArgumentException);
        Assert.That(async () => await groups.SendAsync("", "x"u8.ToArray()), Throws.ArgumentException);
        Assert.That(async () => await groups.JoinAsync(null!, site.Server.Endpoint().Connections.All.Single()), Throws.ArgumentNullException);
        Assert.That(async () => await groups.JoinAsync("x", null!), Throws.ArgumentNullException);
        Assert.That(async () => await groups.LeaveAsync("", site.Server.Endpoint().Connections.All.Single()), Throws.ArgumentException);
        Assert.That(async () => await groups.JoinAsync("x", new Foreign(7)), Throws.ArgumentException.With.Message.StartsWith("Connection 7 is none of this host."));
        await groups.JoinAsync("x", new Foreign(0));
        Assert.That(await groups.CountAsync("x"), Is.Zero, "one that counts nowhere, as in a warm-up");
        var connection = site.Server.Endpoint().Connections.All.Single();
        client.Dispose();
        await site.Server.AssertNothingLeftAsync();
        await groups.JoinAsync("x", connection);
        Assert.That(await groups.CountAsync("x"), Is.Zero);
    }

    /// <summary>2,000 members and ten seconds at full size. Not beside other tests: a member that gets no time is slow.</summary>
    [Test]
    [Category("Long")]
    [NonParallelizable]
    public async Task Many_members_get_everything_in_order_over_swaps_and_one_that_never_reads_is_cut_alone([Values("epoll", "sockets")] string transport)
    {
        const int Senders = 8;
        var members = int.Parse(Environment.GetEnvironmentVariable("PLUGINSERVER_MEMBERS") ?? "200", CultureInfo.InvariantCulture);
        var sends = int.Parse(Environment.GetEnvironmentVariable("PLUGINSERVER_SENDS") ?? "200", CultureInfo.InvariantCulture);

        // One that takes nothing has to have more waiting than it may, also in the small.
        var text = new string('x', Math.Max(2048, 2 * ConnectionGroups.MostWaiting / sends));
        await using var site = await MessageSite.StartAsync("RoomHandler", ", \"maxConnections\": 10000, \"socket\": { \"sendBuffer\": 16384 }", transport: transport);
        using var deaf = await JoinedAsync(site, "room", receiveBuffer: 4096);
        var clients = new List<Client>();
        for (var member = 0; member < members; member++)
        {
            clients.Add(await JoinedAsync(site, "room"));
        }

        var read = new int[members];
        var readers = clients.Select((client, member) => Task.Run(() => ReadAllAsync(client, Senders, sends / Senders * Senders, Header + text.Length + 1, () => Interlocked.Increment(ref read[member])))).ToList();
        var groups = site.Server.Endpoint().Connections.All.First().Membership!.Home;
        var began = GC.GetTotalMemory(forceFullCollection: true);
        var most = 0L;
        var sending = Enumerable.Range(0, Senders).Select(sender => Task.Factory.StartNew(() => Say(sender), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToList();
        for (var build = 2; build <= 11; build++)
        {
            await site.SwapAsync(string.Create(CultureInfo.InvariantCulture, $"{build}"));
            most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: false));
        }

        await Task.WhenAll(sending.Concat(readers)).WaitAsync(TimeSpan.FromMinutes(5));
        Assert.That(site.Server.Endpoint().Counters.Cut, Is.EqualTo(1), "the one that reads nothing");
        Assert.That(await deaf.EndsInResetAsync(), Is.True);
        Assert.That(site.Server.Endpoint().Counters.HandlerFaults, Is.Zero);
        await site.ServedByAsync(11, members);
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{members} members got {sends} messages of {Senders} senders each, over 10 swaps; {(most - began) / 1024.0 / 1024.0:0.0} MiB more at most"));
        clients.ForEach(client => client.Dispose());

        void Say(int sender)
        {
            for (var number = 0; number < sends / Senders; number++)
            {
                // The readers are this process's, too: what they have not come to is no fault of the host's.
                while (number * Senders - read.Min() > ConnectionGroups.MostWaiting / 4 / text.Length)
                {
                    Thread.Sleep(1);
                }

                var sent = groups.SendAsync("room", Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{sender}{number:D7}{text}\n")));
                Assert.That(sent.IsCompletedSuccessfully, Is.True);

                // 100 a second, all of them together.
                Thread.Sleep(1000 * Senders / 100);
            }
        }
    }

    /// <summary>Each message is a sender, its number, a filling and a line end, all of one length.</summary>
    private static async Task ReadAllAsync(Client client, int senders, int count, int length, Action done)
    {
        var next = new int[senders];
        var buffer = new byte[16 * length];
        for (int read = 0, filled = 0; read < count;)
        {
            var received = await client.Socket.ReceiveAsync(buffer.AsMemory(filled));
            Assert.That(received, Is.Positive, "it has ended");
            filled += received;
            var used = 0;
            for (; filled - used >= length; used += length, read++)
            {
                Check(buffer.AsSpan(used, length), next);
                done();
            }

            buffer.AsSpan(used, filled - used).CopyTo(buffer);
            filled -= used;
        }
    }

    private static void Check(ReadOnlySpan<byte> message, int[] next)
    {
        var sender = message[0] - '0';
        Assert.That(int.Parse(message[1..Header], CultureInfo.InvariantCulture), Is.EqualTo(next[sender]++), "in order");
        Assert.That(message[Header..^1].IndexOfAnyExcept((byte)'x') < 0 && message[^1] == '\n', Is.True, "whole");
    }

    private static async Task<Client> JoinedAsync(MessageSite site, string group, int receiveBuffer = 0)
    {
        var client = await Client.ConnectAsync(new IPEndPoint(IPAddress.Loopback, site.Server.Endpoint().Port), receiveBuffer: receiveBuffer);
        Assert.That(await MessageSite.AskAsync(client, $"join {group}"), Is.EqualTo("joined"));
        return client;
    }

    private static async Task<ConnectionGroups> GroupsAsync(MessageSite site, string group, int members)
    {
        await Deadline.UntilAsync(() => site.Server.Endpoint().Connections.All.FirstOrDefault()?.Membership is not null, "it has joined");
        var groups = site.Server.Endpoint().Connections.All.First().Membership!.Home;
        await Deadline.UntilAsync(async () => await groups.CountAsync(group) == members, "all have joined");
        return groups;
    }

    private sealed class Foreign(long id) : Connection
    {
        public override long Id => id;

        public override string Endpoint => "";

        public override EndPoint LocalEndPoint => throw new NotSupportedException();

        public override EndPoint RemoteEndPoint => throw new NotSupportedException();

        public override System.IO.Pipelines.PipeReader Input => throw new NotSupportedException();

        public override System.IO.Pipelines.PipeWriter Output => throw new NotSupportedException();

        public override CancellationToken Closed => default;

        public override void Abort(string reason)
        {
        }
    }
}
