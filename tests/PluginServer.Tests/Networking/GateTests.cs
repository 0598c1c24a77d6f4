using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>One at a time, and whoever is inside may come in again.</summary>
internal sealed class GateTests
{
    private Gate _gate;
    private int _inside;
    private long _count;

    [Test]
    public async Task One_thread_is_inside_at_a_time()
    {
        const int Threads = 8, Rounds = 20_000;
        var broken = 0;
        await Task.WhenAll(Enumerable.Range(0, Threads).Select(_ => Task.Factory.StartNew(
            () =>
            {
                for (var round = 0; round < Rounds; round++)
                {
                    using (_gate.Hold())
                    {
                        broken += Interlocked.Increment(ref _inside) == 1 ? 0 : 1;
                        _count++;
                        Interlocked.Decrement(ref _inside);
                    }
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default))).Within();
        Assert.That((broken, _count), Is.EqualTo((0, (long)Threads * Rounds)));
    }

    [Test]
    public async Task Who_is_inside_comes_in_again_and_others_wait_for_the_last_to_leave()
    {
        using var entered = new SemaphoreSlim(0);
        Task other;
        using (_gate.Hold())
        {
            using (_gate.Hold())
            {
                other = Task.Run(() =>
                {
                    entered.Release();
                    using (_gate.Hold())
                    {
                        _count = _inside;
                    }
                });
                Assert.That(entered.Wait(Deadline.Length), Is.True);
            }

            Assert.That(other.Wait(50), Is.False, "only the inner one has left");
            _inside = 7;
        }

        await other.Within();
        Assert.That(_count, Is.EqualTo(7));
    }

    [Test]
    public void An_exception_gives_it_back()
    {
        Assert.That(() =>
        {
            using (_gate.Hold())
            {
                throw new InvalidOperationException();
            }
        }, Throws.InvalidOperationException);
        Assert.That(Task.Run(() =>
        {
            using (_gate.Hold())
            {
            }
        }).Wait(Deadline.Length), Is.True);
    }
}
