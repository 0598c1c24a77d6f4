using PluginServer.Diagnostics;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Diagnostics;

/// <summary>What happens is kept for those who come later, and reaches those who follow.</summary>
internal sealed class EventStreamTests
{
    private readonly EventStream _events = new(TimeProvider.System);

    [Test]
    public async Task Who_follows_gets_the_last_ones_and_then_each_as_it_comes()
    {
        Publish(3);
        using var stop = new CancellationTokenSource();
        await using var follower = _events.FollowAsync(1, stop.Token).GetAsyncEnumerator();
        Assert.That(await NextAsync(follower), Is.EqualTo("2"));
        Assert.That(await NextAsync(follower), Is.EqualTo("3"));
        var next = NextAsync(follower);
        Assert.That(next.IsCompleted, Is.False);
        _events.Publish(HostEventKind.Leaked, "4", "Echo", 7, null);
        Assert.That(await next, Is.EqualTo("4"));
        Assert.That(follower.Current, Is.EqualTo(new HostEvent(4, follower.Current.At, HostEventKind.Leaked, "4", "Echo", 7, null)));
        await stop.CancelAsync();
        Assert.That(() => NextAsync(follower), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void Only_the_last_ones_are_kept()
    {
        Publish(EventStream.Kept + 5);
        Assert.That(_events.Last.Select(happened => happened.Number), Is.EqualTo(Enumerable.Range(6, EventStream.Kept)));
    }

    [Test]
    public async Task Who_does_not_keep_up_loses_the_oldest_and_can_tell()
    {
        await using var follower = _events.FollowAsync(0, CancellationToken.None).GetAsyncEnumerator();
        Publish(1);
        Assert.That(await NextAsync(follower), Is.EqualTo("1"));
        for (var number = 2; number < EventStream.Kept + 7; number++)
        {
            _events.Publish(HostEventKind.Applied, $"{number}");
        }

        Assert.That(await NextAsync(follower), Is.EqualTo("7"));
        Assert.That(follower.Current.Number, Is.EqualTo(7));
    }

    private void Publish(int count)
    {
        for (var number = 1; number <= count; number++)
        {
            _events.Publish(HostEventKind.Applied, $"{number}");
        }
    }

    private static async Task<string> NextAsync(IAsyncEnumerator<HostEvent> follower)
    {
        Assert.That(await follower.MoveNextAsync().Within(), Is.True);
        return follower.Current.Text;
    }
}
