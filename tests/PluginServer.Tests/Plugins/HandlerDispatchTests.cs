using Microsoft.Extensions.Logging.Abstractions;
using PluginServer.Configuration;
using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Plugins;

/// <summary>A generation that keeps blocking gets threads of its own, and no more than it may have.</summary>
internal sealed class HandlerDispatchTests
{
    private readonly ManualTime _time = new();

    [Test]
    public void More_than_20_blocks_in_10_s_demote_and_a_quiet_minute_promotes()
    {
        var dispatch = Make(DispatchKind.Auto);
        Block(dispatch, HandlerDispatch.BlocksAllowed);
        Assert.That(dispatch.IsOwn, Is.False);
        _time.Advance(HandlerDispatch.Window + TimeSpan.FromTicks(1));
        Block(dispatch, HandlerDispatch.BlocksAllowed);
        Assert.That(dispatch.IsOwn, Is.False, "those of before are over");
        Block(dispatch, 1);
        Assert.That(dispatch.IsOwn, Is.True);

        _time.Advance(HandlerDispatch.Quiet - TimeSpan.FromTicks(1));
        Assert.That(dispatch.IsOwn, Is.True);
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.That(dispatch.IsOwn, Is.False);
        Block(dispatch, HandlerDispatch.BlocksAllowed);
        Assert.That(dispatch.IsOwn, Is.False, "it starts anew");
    }

    [Test]
    public void Inline_and_own_stay_what_they_are()
    {
        var inline = Make(DispatchKind.Inline);
        Block(inline, 100);
        Assert.That(inline.IsOwn, Is.False);
        var own = Make(DispatchKind.Own);
        _time.Advance(2 * HandlerDispatch.Quiet);
        Assert.That(own.IsOwn, Is.True);
    }

    [Test]
    public async Task One_that_goes_on_blocking_is_not_promoted()
    {
        var dispatch = Make(DispatchKind.Auto);
        Block(dispatch, HandlerDispatch.BlocksAllowed + 1);
        using var release = new ManualResetEventSlim();
        var entered = new TaskCompletionSource();
        var left = new TaskCompletionSource();
        dispatch.Run(
            _ =>
            {
                entered.SetResult();
                release.Wait(Deadline.Token);
                dispatch.Run(_ => left.SetResult(), null);
            },
            null);
        await entered.Task.Within();
        _time.Advance(HandlerDispatch.Quiet);

        // Longer inside than what would not have blocked the loop.
        await Task.Delay(TimeSpan.FromMilliseconds(30));
        Assert.That(dispatch.IsOwn, Is.True, "it is inside");
        release.Set();
        await left.Task.Within();
        await Deadline.UntilAsync(() => dispatch.IsOwn, "it has just been inside");
        _time.Advance(HandlerDispatch.Quiet);
        Assert.That(dispatch.IsOwn, Is.False);
    }

    [Test]
    public async Task What_is_awaited_on_its_threads_goes_on_there_until_it_is_promoted()
    {
        var dispatch = Make(DispatchKind.Auto);
        Block(dispatch, HandlerDispatch.BlocksAllowed + 1);
        var names = new TaskCompletionSource<(string?, string?, string?)>();
        var (first, second) = (new TaskCompletionSource(), new TaskCompletionSource());
        var reached = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        dispatch.Run(
            async _ =>
            {
                var start = Thread.CurrentThread.Name;
                await first.Task;
                var middle = Thread.CurrentThread.Name;
                reached.SetResult(Environment.CurrentManagedThreadId);
                await second.Task;
                names.SetResult((start, middle, SynchronizationContext.Current?.GetType().Name));
            },
            null);
        _ = Task.Run(first.SetResult);
        var thread = await reached.Task.Within();

        // Whatever else runs on its thread comes after it has begun to wait.
        await Deadline.UntilAsync(
            async () =>
            {
                var other = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
                dispatch.Run(_ => other.SetResult(Environment.CurrentManagedThreadId), null);
                return await other.Task.Within() == thread;
            },
            () => "its thread never came back");
        _time.Advance(HandlerDispatch.Quiet);
        _ = Task.Run(second.SetResult);
        Assert.That(await names.Task.Within(), Is.EqualTo(("Echo 3", "Echo 3", (string?)null)));
    }

    [Test]
    public async Task Its_threads_are_made_up_for_while_they_block_and_bounded()
    {
        var dispatch = Make(DispatchKind.Own);
        using var release = new ManualResetEventSlim();
        var inside = 0;
        var done = new CountdownEvent(GenerationThreads.Most + 20);
        for (var work = 0; work < done.InitialCount; work++)
        {
            dispatch.Run(
                _ =>
                {
                    Interlocked.Increment(ref inside);
                    release.Wait(Deadline.Token);
                    done.Signal();
                },
                null);
        }

        await Deadline.UntilAsync(() => Volatile.Read(ref inside) == GenerationThreads.Most, "all its threads are inside");
        Assert.That(dispatch.Threads, Is.EqualTo(GenerationThreads.Most));
        release.Set();
        Assert.That(done.Wait(Deadline.Length), Is.True);
        await Deadline.UntilAsync(() => dispatch.Threads == 0, "what is not needed goes");
    }

    private HandlerDispatch Make(DispatchKind kind) => new("Echo", 3, kind, _time, NullLogger.Instance);

    private static void Block(HandlerDispatch dispatch, int times)
    {
        for (var time = 0; time < times; time++)
        {
            dispatch.Blocked("EchoHandler");
        }
    }
}
