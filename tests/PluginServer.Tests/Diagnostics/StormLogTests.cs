using Microsoft.Extensions.Logging;
using PluginServer.Diagnostics;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Diagnostics;

/// <summary>One line a second and cause, and every count right.</summary>
internal sealed class StormLogTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly StormCause Cause = new("handler fault", "echo", "System.Exception");
    private readonly ManualTime _time = new();
    private readonly KeptLog _log = new();
    private readonly EventStream _events = new(TimeProvider.System);

    [Test]
    public void A_storm_is_one_line_and_a_second_later_the_count_of_the_rest()
    {
        using var storms = new StormLog(_log, _events, _time);
        var admitted = Enumerable.Range(0, 10_000).Count(_ => storms.Admits(Cause));
        Assert.That(admitted, Is.EqualTo(1));
        Assert.That(_log.Lines, Is.Empty);
        _time.Advance(Second);
        Assert.That(_log.Lines, Is.EqualTo(new[] { "Endpoint echo: 9999 times more: handler fault (System.Exception)" }));
        Assert.That(_events.Last.Select(happened => (happened.Kind, happened.Text, happened.Endpoint)), Is.EqualTo([(HostEventKind.Fault, "9999 times more: System.Exception", "echo")]));
    }

    [Test]
    public void A_storm_that_goes_on_is_one_line_a_second_and_a_quiet_second_ends_it()
    {
        using var storms = new StormLog(_log, _events, _time);
        Assert.That(storms.Admits(Cause), Is.True);
        for (var second = 1; second <= 5; second++)
        {
            for (var fault = 0; fault < second; fault++)
            {
                Assert.That(storms.Admits(Cause), Is.False);
            }

            _time.Advance(Second);
            Assert.That(_log.Lines, Has.Count.EqualTo(second));
            Assert.That(_log.Lines[^1], Does.Contain($" {second} times more"));
        }

        _time.Advance(Second);
        Assert.That(_log.Lines, Has.Count.EqualTo(5));
        Assert.That((storms.Causes, _time.Timers), Is.EqualTo((0, 0)), "a quiet cause is forgotten, and no timer goes on");
        Assert.That(storms.Admits(Cause), Is.True);
    }

    [Test]
    public void A_single_event_is_one_line_and_leaves_nothing()
    {
        using var storms = new StormLog(_log, _events, _time);
        Assert.That(storms.Admits(Cause), Is.True);
        _time.Advance(Second);
        Assert.That(_log.Lines, Is.Empty);
        Assert.That((storms.Causes, _time.Timers), Is.EqualTo((0, 0)));
    }

    [Test]
    public void Causes_are_told_apart()
    {
        using var storms = new StormLog(_log, _events, _time);
        Assert.That(storms.Admits(Cause), Is.True);
        Assert.That(storms.Admits(Cause with { Endpoint = "other" }), Is.True);
        Assert.That(storms.Admits(Cause with { Kind = "System.IO.IOException" }), Is.True);
        Assert.That(storms.Admits(Cause with { Event = "accept failed" }), Is.True);
        Assert.That(storms.Admits(Cause), Is.False);
    }

    [Test]
    public void A_plugin_that_invents_kinds_without_end_fills_neither_memory_nor_log()
    {
        using var storms = new StormLog(_log, _events, _time);
        var admitted = Enumerable.Range(0, 100_000).Count(number => storms.Admits(Cause with { Kind = $"Kind{number}" }));
        Assert.That((admitted, storms.Causes), Is.EqualTo((StormLog.MostCauses + 1, StormLog.MostCauses + 1)));
        _time.Advance(Second);
        Assert.That(_log.Lines, Is.EqualTo(new[] { $"Endpoint echo: {100_000 - StormLog.MostCauses - 1} times more: handler fault (others)" }));
    }

    [Test]
    public void The_end_of_the_host_reports_what_was_held_back()
    {
        var storms = new StormLog(_log, _events, _time);
        storms.Admits(Cause);
        storms.Admits(Cause);
        storms.Dispose();
        Assert.That(_log.Lines.Single(), Does.Contain(" 1 times more"));
        Assert.That(_time.Timers, Is.Zero);
    }

    [Test]
    public void What_is_held_back_allocates_nothing()
    {
        using var storms = new StormLog(_log, _events, _time);
        storms.Admits(Cause);
        storms.Admits(Cause);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var fault = 0; fault < 1000; fault++)
        {
            storms.Admits(Cause);
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    [Test]
    public async Task Every_event_of_many_threads_is_a_line_or_counted_once()
    {
        const int Threads = 8;
        const int Events = 20_000;
        using var storms = new StormLog(_log, _events, _time);
        var admitted = 0;
        var threads = Enumerable.Range(0, Threads).Select(_ => Task.Run(() =>
        {
            for (var number = 0; number < Events; number++)
            {
                if (storms.Admits(Cause))
                {
                    Interlocked.Increment(ref admitted);
                }
            }
        })).ToArray();
        var all = Task.WhenAll(threads);
        while (!all.IsCompleted)
        {
            // Seconds end in the middle of it all the time.
            _time.Advance(Second);
            await Task.Yield();
        }

        await all;
        _time.Advance(Second);
        _time.Advance(Second);
        var counted = _log.Lines.Sum(line => long.Parse(line.Split(' ')[2], System.Globalization.CultureInfo.InvariantCulture));
        Assert.That(admitted + counted, Is.EqualTo(Threads * Events));
        Assert.That(storms.Causes, Is.Zero);
    }

    [TestCase("System.InvalidOperationException: no\n   at X", "System.InvalidOperationException")]
    [TestCase("Plugin.Broken", "Plugin.Broken")]
    [TestCase("Plugin.Broken\n   at X", "Plugin.Broken")]
    [TestCase("", "")]
    public void The_kind_of_a_fault_is_the_type_of_its_exception(string text, string kind) =>
        Assert.That(StormCause.Of("handler fault", "echo", text), Is.EqualTo(new StormCause("handler fault", "echo", kind)));

    private sealed class KeptLog : ILogger
    {
        private readonly List<string> _lines = [];

        public IReadOnlyList<string> Lines => _lines;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            _lines.Add(formatter(state, exception));
    }
}
