using System.IO.Pipelines;
using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>How a loop ends: its threads and descriptors go, whatever is still inside.</summary>
[NonParallelizable]
[Platform("Linux")]
internal sealed class EpollLoopTests
{
    // Loops of other tests may be ending still: by number, not by count.
    private readonly HashSet<string> _before = [.. LoopThreads()];

    private int Threads => LoopThreads().Except(_before).Count();

    [Test]
    public async Task Its_threads_and_descriptors_go_with_it()
    {
        var (transport, set) = await OpenAsync();
        await EchoOnceAsync(transport);
        await Deadline.UntilAsync(() => Threads >= 2, "who leads, and the monitor");
        transport.Dispose();
        transport.Dispose();
        await Deadline.UntilAsync(() => Threads == 0, () => $"{Threads} threads are left");
        await Deadline.UntilAsync(() => !Sets().Contains(set), "its set is closed");
    }

    [Test]
    public async Task A_handler_that_keeps_a_thread_does_not_keep_the_others_and_its_own_ends_when_it_returns()
    {
        var transport = new EpollTransport(TimeProvider.System);
        using var release = new ManualResetEventSlim();
        using var inside = new ManualResetEventSlim();
        var returned = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var link = await Link.OpenAsync(transport);

        // Waits before the byte comes, which then wakes it on the loop for certain.
        When(link.Server.Input.ReadAsync(), () =>
        {
            inside.Set();
            release.Wait(Deadline.Token);
            returned.SetResult();
        });
        await link.SendAsync(new byte[1]);
        Assert.That(inside.Wait(Deadline.Length));
        transport.Dispose();
        await Deadline.UntilAsync(() => Threads == 1 && transport.Loop.HasEnded, () => $"{Threads} threads instead of the one that is kept");
        link.Server.Abort(CloseCause.Aborted, "the test is over");
        release.Set();
        await returned.Task.Within();
        await Deadline.UntilAsync(() => Threads == 0, "that one too");
        await link.DisposeAsync();
    }

    [Test]
    public async Task After_its_end_a_connection_can_still_be_aborted_and_a_new_one_is_refused()
    {
        var transport = new EpollTransport(TimeProvider.System);
        var link = await Link.OpenAsync(transport);
        var read = link.Server.Input.ReadAsync();
        transport.Dispose();
        await Deadline.UntilAsync(() => transport.Loop.HasEnded, "the end");
        link.Server.Abort(CloseCause.Aborted, "the test is over");
        Assert.That(async () => await read, Throws.InstanceOf<ConnectionClosedException>());
        Assert.That(async () => await Link.OpenAsync(transport), Throws.InstanceOf<ObjectDisposedException>());
        await link.DisposeAsync();
    }

    /// <summary>What systemd's watchdog asks.</summary>
    [Test]
    public async Task It_moves_while_it_waits_and_while_anybody_can_take_over_and_not_when_handlers_block_all_of_its_threads()
    {
        var transport = new EpollTransport(TimeProvider.System);
        var transports = Transports.Of(transport);
        Assert.That(transports.Move, Is.True, "nobody has used it");
        using var release = new ManualResetEventSlim();
        var (inside, returned) = (0, 0);
        var links = new List<Link>();
        await BlockAsync(EpollLoop.MostFollowers - 1);
        await Deadline.UntilAsync(() => transport.Loop.IsWaiting, "the last one leads");
        Assert.That((transports.Move, transports.Move), Is.EqualTo((true, true)), "it has nothing to do");
        await BlockAsync(1);
        await Deadline.UntilAsync(() => !transports.Move, "it stands still");
        Assert.That((transports.Move, transport.Loop.Followers), Is.EqualTo((false, EpollLoop.MostFollowers)), "and still does");
        release.Set();
        await Deadline.UntilAsync(() => Volatile.Read(ref returned) == EpollLoop.MostFollowers && transport.Loop.IsWaiting, "all return");
        Assert.That((transports.Move, transports.Move), Is.EqualTo((true, true)), "it goes on");
        foreach (var link in links)
        {
            await link.DisposeAsync();
        }

        transport.Dispose();
        await Deadline.UntilAsync(() => Threads == 0, () => $"{Threads} threads are left");

        async Task BlockAsync(int count)
        {
            for (var number = 0; number < count; number++)
            {
                var link = await Link.OpenAsync(transport);
                links.Add(link);
                When(link.Server.Input.ReadAsync(), () =>
                {
                    Interlocked.Increment(ref inside);
                    release.Wait(Deadline.Token);
                    Interlocked.Increment(ref returned);
                });
                await link.SendAsync(new byte[1]);
            }

            await Deadline.UntilAsync(() => Volatile.Read(ref inside) == links.Count, () => $"{inside} of {links.Count} block");
        }
    }

    private static void When(ValueTask<ReadResult> read, Action then) => read.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(then);

    private static async Task EchoOnceAsync(EpollTransport transport)
    {
        await using var link = await Link.OpenAsync(transport);
        var serving = link.ServeAsync(TransportTests.EchoAsync);
        await link.SendAsync(new byte[1]);
        await link.ReceiveAsync(1);
        link.Client.Shutdown(SocketShutdown.Send);
        await serving.Within();
    }

    /// <summary>A transport whose loop runs, and the number of its set.</summary>
    private static async Task<(EpollTransport Transport, string Set)> OpenAsync()
    {
        while (true)
        {
            var before = Sets();
            var transport = new EpollTransport(TimeProvider.System);
            await Deadline.UntilAsync(() => transport.Loop.IsWaiting, "it waits");
            if (Sets().Except(before).ToList() is [var mine])
            {
                return (transport, mine);
            }

            // A set of another test was closed in between, and its number taken.
            transport.Dispose();
        }
    }

    private static IEnumerable<string> LoopThreads() => Directory.GetDirectories("/proc/self/task").Where(task => NameOf(task).StartsWith("epoll", StringComparison.Ordinal));

    private static string NameOf(string task)
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "comm"));
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static List<string> Sets() => [.. Directory.GetFiles("/proc/self/fd").Where(descriptor => new FileInfo(descriptor).LinkTarget == "anon_inode:[eventpoll]")];
}
