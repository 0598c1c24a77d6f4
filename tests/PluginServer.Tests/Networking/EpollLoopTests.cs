using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>How a loop ends: its threads and descriptors go, whatever is still inside.</summary>
[NonParallelizable]
[Platform("Linux")]
internal sealed class EpollLoopTests
{
    [Test]
    public async Task Its_threads_and_descriptors_go_with_it()
    {
        var (threads, descriptors) = (LoopThreads(), Sets());
        var transport = new EpollTransport(TimeProvider.System);
        await EchoOnceAsync(transport);
        Assert.That((LoopThreads(), Sets()), Is.EqualTo((threads + 2, descriptors + 1)));
        transport.Dispose();
        transport.Dispose();
        await Deadline.UntilAsync(() => (LoopThreads(), Sets()) == (threads, descriptors), () => $"{LoopThreads()} threads instead of {threads}, {Sets()} sets instead of {descriptors}");
    }

    [Test]
    public async Task A_handler_that_keeps_a_thread_does_not_keep_the_others_and_its_own_ends_when_it_returns()
    {
        var threads = LoopThreads();
        var transport = new EpollTransport(TimeProvider.System);
        using var release = new ManualResetEventSlim();
        using var waiting = new ManualResetEventSlim();
        using var inside = new ManualResetEventSlim();
        var link = await Link.OpenAsync(transport);
        var serving = link.ServeAsync(async connection =>
        {
            // Waits before the byte comes, which then wakes it on the loop.
            var read = connection.Input.ReadAsync();
            waiting.Set();
            await read;
            inside.Set();
            release.Wait(Deadline.Token);
        });
        Assert.That(waiting.Wait(Deadline.Length));
        await link.SendAsync(new byte[1]);
        Assert.That(inside.Wait(Deadline.Length));
        transport.Dispose();
        await Deadline.UntilAsync(() => LoopThreads() == threads + 1 && transport.Loop.HasEnded, "all but the one that is kept");
        link.Server.Abort(CloseCause.Aborted, "the test is over");
        release.Set();
        await serving.Within();
        await Deadline.UntilAsync(() => LoopThreads() == threads, "that one too");
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

    private static async Task EchoOnceAsync(EpollTransport transport)
    {
        await using var link = await Link.OpenAsync(transport);
        var serving = link.ServeAsync(TransportTests.EchoAsync);
        await link.SendAsync(new byte[1]);
        await link.ReceiveAsync(1);
        link.Client.Shutdown(SocketShutdown.Send);
        await serving.Within();
    }

    private static int LoopThreads() => Directory.GetDirectories("/proc/self/task").Count(task => NameOf(task).StartsWith("epoll", StringComparison.Ordinal));

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

    private static int Sets() => Directory.GetFiles("/proc/self/fd").Count(descriptor => new FileInfo(descriptor).LinkTarget == "anon_inode:[eventpoll]");
}
