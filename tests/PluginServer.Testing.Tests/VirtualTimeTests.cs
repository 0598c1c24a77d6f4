namespace PluginServer.Testing.Tests;

/// <summary>Time passes when a test says so, and for everyone who waits for it.</summary>
internal sealed class VirtualTimeTests
{
    private readonly VirtualTime _time = new();

    [Test]
    public void Timers_run_in_the_order_in_which_they_are_due_each_at_its_own_time()
    {
        var began = _time.GetUtcNow();
        var ran = new List<(string, double)>();
        void Note(object? name) => ran.Add(((string)name!, (_time.GetUtcNow() - began).TotalSeconds));
        using var late = _time.CreateTimer(Note, "late", TimeSpan.FromSeconds(3), Timeout.InfiniteTimeSpan);
        using var periodic = _time.CreateTimer(Note, "periodic", TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2));
        using var never = _time.CreateTimer(Note, "never", Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        using var first = _time.CreateTimer(_ => late.Change(TimeSpan.FromSeconds(0.5), Timeout.InfiniteTimeSpan), null, TimeSpan.FromSeconds(2), Timeout.InfiniteTimeSpan);
        Assert.That(_time.Timers, Is.EqualTo(3));
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.That(ran, Is.EqualTo(new[] { ("periodic", 1.0), ("late", 2.5), ("periodic", 3.0), ("periodic", 5.0) }));
        Assert.That((_time.GetUtcNow() - began, _time.Timers), Is.EqualTo((TimeSpan.FromSeconds(5), 1)));
    }

    [Test]
    public void A_timer_that_is_disposed_runs_no_more_and_cannot_be_set()
    {
        var ran = 0;
        var timer = _time.CreateTimer(_ => ran++, null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        _time.Advance(TimeSpan.FromSeconds(1));
        timer.Dispose();
        Assert.That(timer.Change(TimeSpan.Zero, TimeSpan.Zero), Is.False);
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.That((ran, _time.Timers), Is.EqualTo((1, 0)));
    }

    [Test]
    public void It_does_not_pass_backwards() => Assert.That(() => _time.Advance(TimeSpan.FromTicks(-1)), Throws.InstanceOf<ArgumentOutOfRangeException>());

    [Test]
    public async Task Whoever_awaits_a_delay_goes_on_when_it_is_over()
    {
        var waiting = WaitAsync();
        await _time.WhenDueAsync(TimeSpan.FromMinutes(1));
        _time.Advance(TimeSpan.FromMinutes(1) - TimeSpan.FromTicks(1));
        Assert.That(waiting.IsCompleted, Is.False);
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.That(await waiting.WaitAsync(TimeSpan.FromSeconds(30)), Is.EqualTo(TimeSpan.FromMinutes(1)));

        async Task<TimeSpan> WaitAsync()
        {
            var began = _time.GetTimestamp();
            await Task.Run(() => Task.Delay(TimeSpan.FromMinutes(1), _time));
            return _time.GetElapsedTime(began);
        }
    }

    [Test]
    public async Task It_ends_what_is_idle_without_a_wait()
    {
        await using var host = await PluginHost.LoadAsync("artifacts/plugins/Echo", new PluginHostOptions { Endpoint = "\"idleTimeout\": \"01:00:00\"" });
        await using var client = await host.ConnectAsync();
        await client.SendAsync("a\n");
        await client.ReadLineAsync();
        host.Time.Advance(TimeSpan.FromMinutes(59));
        await client.SendAsync("b\n");
        await client.ReadLineAsync();
        host.Time.Advance(TimeSpan.FromMinutes(59));
        Assert.That(host.Connections, Is.EqualTo(1));
        host.Time.Advance(TimeSpan.FromHours(2));
        Assert.That(await client.EndAsync(), Is.EqualTo(ClientEnd.Reset));
    }

    [Test]
    public async Task It_is_the_plugins_time_too()
    {
        await using var host = await PluginHost.LoadAsync(Scratch.Fixture("Kit"), new PluginHostOptions { Handler = "AlarmHandler" });
        await using var client = await host.ConnectAsync();
        for (var turn = 1; turn <= 2; turn++)
        {
            await host.Time.WhenDueAsync(TimeSpan.FromHours(1));
            host.Time.Advance(TimeSpan.FromHours(1));
            Assert.That(await client.ReadLineAsync(), Is.EqualTo($"ring {turn}"));
        }

        Assert.That(await client.EndAsync(), Is.EqualTo(ClientEnd.Fin));
    }

    [Test]
    public void A_wait_for_a_timer_that_nobody_sets_fails()
    {
        Patience.Shorten(TimeSpan.FromSeconds(2));
        using var later = _time.CreateTimer(_ => { }, null, TimeSpan.FromDays(1), Timeout.InfiniteTimeSpan);
        Assert.That(async () => await _time.WhenDueAsync(TimeSpan.FromHours(1)), Throws.InstanceOf<AssertionException>().With.Message.EqualTo("After 2 s: no timer is due within 01:00:00; 1 wait for later."));
    }
}
