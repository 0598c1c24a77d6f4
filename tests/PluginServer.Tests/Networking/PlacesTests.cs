using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>A limit is exact whatever happens at the same time.</summary>
internal sealed class PlacesTests
{
    [Test]
    public async Task Who_comes_too_late_waits_in_order()
    {
        var places = new Places(1);
        var held = await places.TakeAsync(CancellationToken.None).Within();
        var first = places.TakeAsync(CancellationToken.None).AsTask();
        var second = places.TakeAsync(CancellationToken.None).AsTask();
        Assert.That(places.TryTake(), Is.Null);
        held.Dispose();
        (await first.Within()).Dispose();
        (await second.Within()).Dispose();
        Assert.That(places.Taken, Is.Zero);
    }

    [Test]
    public async Task Giving_back_twice_counts_once()
    {
        var places = new Places(2);
        var place = await places.TakeAsync(CancellationToken.None);
        place.Dispose();
        place.Dispose();
        Assert.That(places.Taken, Is.Zero);
    }

    [Test]
    public async Task A_cancelled_wait_holds_no_place_and_keeps_nobody_behind_it()
    {
        var places = new Places(1);
        var held = await places.TakeAsync(CancellationToken.None);
        using var cancel = new CancellationTokenSource();
        var cancelled = places.TakeAsync(cancel.Token).AsTask();
        var patient = places.TakeAsync(CancellationToken.None).AsTask();
        await cancel.CancelAsync();
        Assert.That(async () => await cancelled.Within(), Throws.InstanceOf<OperationCanceledException>());
        held.Dispose();
        (await patient.Within()).Dispose();
        Assert.That(places.Taken, Is.Zero);
    }

    [Test]
    public async Task Raising_the_limit_wakes_who_waits_and_lowering_it_takes_nothing_away()
    {
        var places = new Places(1);
        var first = await places.TakeAsync(CancellationToken.None);
        var waiting = places.TakeAsync(CancellationToken.None).AsTask();
        places.Limit = 2;
        var second = await waiting.Within();
        places.Limit = 1;
        Assert.That(places.Taken, Is.EqualTo(2));
        first.Dispose();
        Assert.That(places.TryTake(), Is.Null, "still at the lowered limit");
        second.Dispose();
        Assert.That(places.TryTake(), Is.Not.Null);
    }

    [Test]
    public async Task Under_a_storm_of_takes_cancellations_and_limits_it_is_never_exceeded_and_ends_at_zero()
    {
        const int highest = 8;
        var places = new Places(highest);
        var inside = 0;
        var exceeded = 0;
        await Parallel.ForAsync(0, 20_000, new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (round, _) =>
        {
            using var cancel = new CancellationTokenSource();
            var taking = places.TakeAsync(cancel.Token).AsTask();
            if (round % 3 == 0)
            {
                await cancel.CancelAsync();
            }

            if (round % 7 == 0)
            {
                places.Limit = 1 + (round % highest);
            }

            try
            {
                using var place = await taking;
                if (Interlocked.Increment(ref inside) > highest)
                {
                    Interlocked.Increment(ref exceeded);
                }

                await Task.Yield();
                Interlocked.Decrement(ref inside);
            }
            catch (OperationCanceledException)
            {
                // It holds nothing.
            }
        }).Within();
        Assert.That(exceeded, Is.Zero);
        Assert.That(places.Taken, Is.Zero);
    }
}
