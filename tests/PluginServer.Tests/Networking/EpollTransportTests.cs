using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>What only the epoll loop has: its threads, numbers that are used again, descriptors that come and go.</summary>
[NonParallelizable]
[Platform("Linux")]
internal sealed class EpollTransportTests
{
    private readonly EpollTransport _transport = new(TimeProvider.System);

    private static int Churn => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_CHURN"), out var size) ? size : 1000;

    [TearDown]
    public void EndThreads() => _transport.Dispose();

    [TestCase(Architecture.X64, 12)]
    [TestCase(Architecture.Arm64, 16)]
    public void An_event_is_as_large_as_the_headers_say(Architecture machine, int size) => Assert.That(EpollEvents.SizeOn(machine), Is.EqualTo(size));

    [Test]
    public unsafe void What_is_written_of_an_event_is_read_again()
    {
        var events = new EpollEvents(2);
        EpollEvents.Write(events.At(1), 0x80002005, 0x1234567890abcdef);
        Assert.That(events.Read(1), Is.EqualTo((0x80002005u, 0x1234567890abcdeful)));
    }

    [Test]
    public void A_transport_that_warms_up_is_answered_by_itself_and_leaves_nothing_open()
    {
        _ = _transport.Loop;
        using var workspace = new Workspace();
        var before = new Descriptors();
        Assert.That(EpollWarmUp.Run(_transport, workspace.Root, () => false), Is.Positive);
        Assert.That(Directory.GetFileSystemEntries(workspace.Root, "warm-up*"), Is.Empty);
        Assert.That(() => new Descriptors().Since(before, "/no folder", []), Is.Empty.After((int)Deadline.Length.TotalMilliseconds, 10));
    }

    [Test]
    public async Task A_warm_up_ends_with_its_transport()
    {
        using var workspace = new Workspace();
        var running = Task.Run(() => EpollWarmUp.Run(_transport, workspace.Root, () => false));
        await Deadline.UntilAsync(() => _transport.Loop.Progress.Handled > 0, "it never began");
        _transport.Dispose();
        await running.Within();
    }

    [Test]
    public async Task A_warm_up_waits_while_clients_are_there_and_goes_on_when_they_have_left()
    {
        using var workspace = new Workspace();
        var (asked, isBusy) = (0, true);
        var running = Task.Run(() => EpollWarmUp.Run(_transport, workspace.Root, () =>
        {
            Interlocked.Increment(ref asked);
            return Volatile.Read(ref isBusy);
        }));
        await Deadline.UntilAsync(() => Volatile.Read(ref asked) > 10, "it never asked");
        Assert.That(_transport.Loop.Progress.Handled, Is.Zero);
        Volatile.Write(ref isBusy, false);
        Assert.That(await running.Within(), Is.Positive);
    }

    [Test]
    public async Task A_warm_up_that_cannot_remove_what_a_killed_host_left_is_left_out()
    {
        using var workspace = new Workspace();
        using (var left = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            left.Bind(new UnixDomainSocketEndPoint(Path.Combine(workspace.Root, "other.sock")));
            File.Move(Path.Combine(workspace.Root, "other.sock"), Path.Combine(workspace.Root, "warm-up.sock"));
        }

        var (code, problem) = await Tools.RunAsync("chattr", "+i", workspace.Root);
        if (code != 0)
        {
            Assert.Ignore($"needs root, and a file system with immutable folders: {problem}");
        }

        try
        {
            Assert.That(EpollWarmUp.Run(_transport, workspace.Root, () => false), Is.Zero);
            Assert.That(File.Exists(Path.Combine(workspace.Root, "warm-up.sock")));
        }
        finally
        {
            _ = await Tools.RunAsync("chattr", "-i", workspace.Root);
        }
    }

    [TestCase("no such folder")]
    [TestCase("a folder with a name too long for a socket in it: 100 100 100 100 100 100 100 100 100 100 100 100 100 100 100 100")]
    public void A_warm_up_that_cannot_listen_is_left_out(string folder)
    {
        using var workspace = new Workspace();
        var path = Path.Combine(workspace.Root, folder);
        if (folder.Length > 100)
        {
            Directory.CreateDirectory(path);
        }

        Assert.That(EpollWarmUp.Run(_transport, path, () => false), Is.Zero);
    }

    [Test]
    public async Task A_socket_of_the_runtime_is_served_like_one_that_the_loop_has_accepted()
    {
        using var listening = new TcpListener(IPAddress.Loopback, 0);
        listening.Start();
        using var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listening.LocalEndpoint);
        var accepted = new SocketAccepted(await listening.AcceptSocketAsync());
        await using var link = new Link(client.Client, _transport.Attach(accepted, new ConnectionLimits { ReadLimit = 1 << 20 }));
        accepted.Dispose();
        _ = link.ServeAsync(TransportTests.EchoAsync);
        await client.Client.SendAsync("hello"u8.ToArray());
        var answer = new byte[5];
        await client.GetStream().ReadExactlyAsync(answer, Deadline.Token);
        Assert.That(answer, Is.EqualTo("hello"u8.ToArray()));
    }

    [Test]
    public async Task A_handler_that_blocks_the_loop_keeps_nobody_else_waiting_and_is_named()
    {
        var blocked = new TaskCompletionSource<IEpollTarget>(TaskCreationOptions.RunContinuationsAsynchronously);
        _transport.Loop.Blocked = target => blocked.TrySetResult(target);
        using var release = new ManualResetEventSlim();
        await using var stuck = await Link.OpenAsync(_transport);
        await using var other = await Link.OpenAsync(_transport);
        var stuckServing = stuck.ServeAsync(async connection =>
        {
            while (true)
            {
                var result = await connection.Input.ReadAsync();
                connection.Input.AdvanceTo(result.Buffer.End);
                if (Thread.CurrentThread.Name == "epoll")
                {
                    release.Wait(Deadline.Token);
                    return;
                }

                // What had arrived before it waited was read on its own thread.
                await connection.Output.WriteAsync(new byte[1]);
            }
        });
        _ = other.ServeAsync(TransportTests.EchoAsync);
        while (!blocked.Task.IsCompleted)
        {
            await stuck.SendAsync(new byte[1]);
            await Task.WhenAny(blocked.Task, stuck.ReceiveAsync(1));
        }

        Assert.That(await blocked.Task.Within(), Is.SameAs(stuck.Server));
        await other.SendAsync("still here"u8.ToArray());
        Assert.That(await other.ReceiveAsync(10), Is.EqualTo("still here"u8.ToArray()));
        Assert.That(_transport.Loop.Replaced, Is.Positive);
        release.Set();
        stuck.Client.Dispose();
        await stuckServing.Within();
    }

    /// <summary>More at once than the loop has threads at first, while another one is served.</summary>
    [Test]
    public async Task Twenty_readers_that_block_at_the_same_moment_keep_nobody_else()
    {
        using var release = new ManualResetEventSlim();
        var inside = 0;
        var blockers = new List<Link>();
        var serving = new List<Task>();
        for (var blocker = 0; blocker < 20; blocker++)
        {
            var link = await Link.OpenAsync(_transport);
            blockers.Add(link);
            serving.Add(link.ServeAsync(async connection =>
            {
                var result = await connection.Input.ReadAsync();
                connection.Input.AdvanceTo(result.Buffer.End);
                Interlocked.Increment(ref inside);
                release.Wait(Deadline.Token);
            }));
        }

        var other = await Link.OpenAsync(_transport);
        var echo = other.ServeAsync(TransportTests.EchoAsync);
        await Task.WhenAll(blockers.Select(link => link.SendAsync(new byte[1])));
        for (var ping = 0; ping < 20; ping++)
        {
            await other.SendAsync(new byte[64]);
            await other.ReceiveAsync(64);
        }

        await Deadline.UntilAsync(() => Volatile.Read(ref inside) == blockers.Count, "all of them are inside");
        release.Set();
        foreach (var link in blockers.Append(other))
        {
            link.Client.Dispose();
        }

        await Task.WhenAll(serving.Append(echo)).Within();
    }

    [Test]
    public async Task A_peer_that_always_sends_does_not_starve_others()
    {
        await using var flooding = await Link.OpenAsync(_transport);
        await using var other = await Link.OpenAsync(_transport);
        _ = flooding.ServeAsync(TransportTests.EchoAsync);
        _ = other.ServeAsync(TransportTests.EchoAsync);
        var over = false;
        var sending = Task.Run(async () =>
        {
            for (var block = new byte[256 * 1024]; !Volatile.Read(ref over);)
            {
                await flooding.SendAsync(block);
            }

            flooding.Client.Shutdown(SocketShutdown.Send);
        });
        var receiving = flooding.DiscardAllAsync();
        for (var ping = 0; ping < 50; ping++)
        {
            await other.SendAsync(new byte[64]);
            await other.ReceiveAsync(64);
        }

        Volatile.Write(ref over, true);
        await sending.Within();
        await receiving.Within();
    }

    [Test]
    public async Task A_stale_event_does_not_reach_whoever_has_the_number_now()
    {
        int number;
        ulong data;
        await using (var first = await Link.OpenAsync(_transport))
        {
            var connection = (EpollConnection)first.Server;
            number = connection.Descriptor;
            data = ((ulong)connection.Generation << 32) | (uint)number;
            Assert.That(_transport.Loop.Targets.Find(data), Is.SameAs(connection));
        }

        Assert.That(_transport.Loop.Targets.Find(data), Is.Null);
        await using var second = await Link.OpenAsync(_transport);
        Assert.That(_transport.Loop.Targets.Find(data), Is.Null);
    }

    /// <summary>A million connections at full size, each with bytes of its own, while any of them is aborted at any moment.</summary>
    [Test]
    [Category("Long")]
    public async Task A_number_that_is_used_again_never_brings_bytes_of_another_connection([Values] bool widened)
    {
        // Between the check and the call, as long as an abort and the next accept need.
        _transport.BeforeCall = widened ? static () => Thread.SpinWait(2000) : null;
        using var listening = Link.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        using var over = new CancellationTokenSource();
        var alive = new TransportConnection?[4];
        var inside = 0;
        var accepting = Task.Run(async () =>
        {
            for (var number = 0; ; number++)
            {
                var connection = _transport.Attach(await _transport.AcceptAsync(listening, over.Token), new ConnectionLimits { ReadLimit = 1 << 20 });
                Volatile.Write(ref alive[number % alive.Length], connection);
                Interlocked.Increment(ref inside);
                _ = ServeAsync(connection);
            }
        });
        var killer = Task.Run(() =>
        {
            for (var turn = 0; !over.IsCancellationRequested; turn++)
            {
                if (turn % 7 == 0)
                {
                    Volatile.Read(ref alive[turn % alive.Length])?.Abort(CloseCause.Cut, "storm");
                }

                Thread.Yield();
            }
        });
        var echoes = await Task.WhenAll(Enumerable.Range(0, alive.Length).Select(lane =>
            Task.Factory.StartNew(() => EchoPatterns((IPEndPoint)listening.LocalEndPoint!, lane, Churn / alive.Length), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        await over.CancelAsync();
        await killer.Within();
        Assert.That(() => accepting.Within(), Throws.InstanceOf<OperationCanceledException>());
        await Deadline.UntilAsync(() => Volatile.Read(ref inside) == 0, () => $"{inside} are left inside");
        _transport.BeforeCall = null;
        TestContext.Out.WriteLine($"{Churn} connections, {echoes.Sum()} echoes, {_transport.Loop.Stale} events of numbers that were closed");
        Assert.That(echoes.Sum(), Is.GreaterThan(Churn / 10));
        Assert.That(_transport.Blocks.Rented, Is.Zero);

        async Task ServeAsync(TransportConnection connection)
        {
            try
            {
                await TransportTests.EchoAsync(connection);
            }
            catch (ConnectionClosedException)
            {
                // The storm, or the client's reset.
            }

            await connection.FinishAsync();
            Interlocked.Decrement(ref inside);
        }
    }

    /// <summary>Blocking, and without timers: at full size they would be what is measured. How many echoes came whole.</summary>
    private static int EchoPatterns(IPEndPoint server, int lane, int connections)
    {
        var echoes = 0;
        var (pattern, received) = (new byte[100], new byte[100]);
        for (var connection = 0; connection < connections; connection++)
        {
            new Random((lane * 1_000_003) + connection).NextBytes(pattern);
            try
            {
                // Its port must be free again at once: a million of them would wait otherwise.
                using var client = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 30_000, LingerState = new LingerOption(enable: true, seconds: 0) };
                client.Connect(server);
                for (var echo = 0; echo < 3; echo++)
                {
                    client.Send(pattern);
                    for (var at = 0; at < pattern.Length;)
                    {
                        var count = client.Receive(received, at, pattern.Length - at, SocketFlags.None);
                        if (count == 0)
                        {
                            throw new SocketException((int)SocketError.ConnectionReset);
                        }

                        at += count;
                    }

                    Assert.That(received.AsSpan().SequenceEqual(pattern), "bytes of another connection");
                    echoes++;
                }
            }
            catch (SocketException error) when (error.SocketErrorCode != SocketError.TimedOut)
            {
                // The storm.
            }
        }

        return echoes;
    }

    [Test]
    public async Task A_read_that_is_parked_ends_when_another_thread_closes_and_the_window_is_wide()
    {
        _transport.BeforeCall = static () => Thread.SpinWait(2000);
        for (var round = 0; round < 200; round++)
        {
            await using var link = await Link.OpenAsync(_transport);
            var read = link.Server.Input.ReadAsync().AsTask();
            var sending = link.SendAsync(new byte[10]);
            link.Server.Abort(CloseCause.Cut, "cut");
            try
            {
                await read.Within();
            }
            catch (ConnectionClosedException)
            {
                // Whichever came first.
            }

            try
            {
                await sending;
            }
            catch (SocketException)
            {
                // The reset.
            }
        }

        _transport.BeforeCall = null;
    }

    /// <summary>No event comes of a descriptor that is closed, so whoever would wait for one has to see the ending; time stands still here.</summary>
    [Test]
    public async Task An_abort_at_the_moment_of_FIN_leaves_the_end_nothing_to_wait_for()
    {
        using var transport = new EpollTransport(new ManualTime());
        await using var link = await Link.OpenAsync(transport);
        var leftBehind = link.Server.Input.ReadAsync().AsTask();
        transport.BeforeCall = () =>
        {
            transport.BeforeCall = null;
            link.Server.Abort(CloseCause.Cut, "cut");
        };
        await link.FinishAsync().Within();
        await Assert.CatchAsync<ConnectionClosedException>(() => leftBehind.Within());
        Assert.That(link.Server.End, Is.EqualTo((CloseCause.Cut, "cut")));
        Assert.That(transport.Blocks.Rented, Is.Zero);
    }

    [Test]
    public async Task A_detached_descriptor_lives_on_and_can_be_attached_again()
    {
        await using var link = await Link.OpenAsync(_transport);
        var first = (EpollConnection)link.Server;
        var number = first.Detach();
        Assert.That(() => first.Detach(), Throws.InvalidOperationException);
        Assert.That(first.End.Cause, Is.EqualTo(CloseCause.None));
        var again = _transport.Attach(new EpollAccepted(number, remote: default), new ConnectionLimits { ReadLimit = 1 << 20 });
        await using var second = new Link(link.Client, again);
        var serving = second.ServeAsync(TransportTests.EchoAsync);
        await second.SendAsync("again"u8.ToArray());
        Assert.That(await second.ReceiveAsync(5), Is.EqualTo("again"u8.ToArray()));
        link.Client.Shutdown(SocketShutdown.Send);
        await serving.Within();
    }

    [Test]
    public async Task Half_messages_of_waiting_readers_lie_in_small_blocks()
    {
        await using var link = await Link.OpenAsync(_transport);
        await link.SendAsync("half"u8.ToArray());
        var first = await link.Server.Input.ReadAsync().Within();
        link.Server.Input.AdvanceTo(first.Buffer.Start, first.Buffer.End);
        var more = link.Server.Input.ReadAsync();
        await link.SendAsync(" and the rest"u8.ToArray());
        var whole = await more.Within();
        Assert.That(whole.Buffer.IsSingleSegment);
        Assert.That(whole.Buffer.FirstSpan.SequenceEqual("half and the rest"u8));
        link.Server.Input.AdvanceTo(whole.Buffer.End);
        Assert.That(_transport.Blocks.Rented, Is.Zero);
    }
}
