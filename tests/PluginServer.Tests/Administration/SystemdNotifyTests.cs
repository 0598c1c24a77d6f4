using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;
using PluginServer.Administration;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>What systemd hears, and that a host to which nobody listens goes on.</summary>
[Platform("Linux")]
internal sealed class SystemdNotifyTests
{
    private const int Me = 4711;
    private readonly string _folder = Directory.CreateTempSubdirectory("plugin-server-test-").FullName;
    private readonly KeptLog _log = new();
    private readonly ManualTime _time = new();
    private readonly List<IDisposable> _open = [];

    private string PathName => Path.Combine(_folder, "notify");

    [TearDown]
    public void Remove()
    {
        _open.ForEach(open => open.Dispose());
        Directory.Delete(_folder, recursive: true);
    }

    [TestCase(true)]
    [TestCase(false)]
    public void Everything_is_told_in_order(bool isAbstract)
    {
        var name = isAbstract ? "@" + PathName[1..] : PathName;
        var manager = Manager(name);
        var notify = Read(new() { ["NOTIFY_SOCKET"] = name });
        notify.Ready();
        notify.Status("3 endpoints");
        notify.Stopping(TimeSpan.FromSeconds(35));
        Assert.That(Hear(manager), Is.EqualTo("READY=1"));
        Assert.That(Hear(manager), Is.EqualTo("STATUS=3 endpoints"));
        Assert.That(Hear(manager), Is.EqualTo("STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000"));
        Assert.That(_log.Lines, Is.Empty);
    }

    [Test]
    public void A_reload_says_when_it_began_by_the_clock_of_the_manager()
    {
        var manager = Manager(PathName);
        var notify = Read(new() { ["NOTIFY_SOCKET"] = PathName });

        // Of the runtime's own, which on Linux is the same clock.
        var before = Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000);
        notify.Reloading();
        notify.Ready();
        var after = Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000);
        var lines = Hear(manager).Split('\n');
        Assert.That(lines[0], Is.EqualTo("RELOADING=1"));
        Assert.That(lines[1], Does.StartWith("MONOTONIC_USEC="));
        Assert.That(long.Parse(lines[1]["MONOTONIC_USEC=".Length..], CultureInfo.InvariantCulture), Is.InRange(before, after));
        Assert.That(Hear(manager), Is.EqualTo("READY=1"));
    }

    [Test]
    public void A_status_is_one_line_and_never_too_long_to_be_heard()
    {
        var manager = Manager(PathName);
        var notify = Read(new() { ["NOTIFY_SOCKET"] = PathName });
        notify.Status("broken\r\nREADY=1\nMAINPID=1");
        notify.Status(new string('\u20ac', 5000));
        Assert.That(Hear(manager), Is.EqualTo("STATUS=broken READY=1 MAINPID=1"));
        Assert.That(Encoding.UTF8.GetByteCount(Hear(manager)), Is.InRange(1000, 4096));
    }

    [Test]
    public void Where_nothing_is_set_nothing_is_done()
    {
        using var notify = Read([]);
        SayAll(notify);
        notify.Watch(() => true);
        Assert.That((_log.Lines.Count, _time.Timers), Is.EqualTo((0, 0)));
    }

    [Test]
    public void The_variables_are_taken_away()
    {
        var variables = new Dictionary<string, string> { ["NOTIFY_SOCKET"] = PathName, ["WATCHDOG_USEC"] = "1000000", ["WATCHDOG_PID"] = "1", ["PATH"] = "/bin" };
        Read(variables);
        Assert.That(variables.Keys, Is.EqualTo(new[] { "PATH" }));
    }

    [TestCase("/nowhere/notify", "AddressNotAvailable")]
    [TestCase("vsock:2:1234", "only a path and an abstract name (\"@name\") are supported")]
    [TestCase("notify", "only a path and an abstract name (\"@name\") are supported")]
    public void A_manager_that_is_not_reached_costs_one_line(string address, string why)
    {
        var notify = Read(new() { ["NOTIFY_SOCKET"] = address });
        SayAll(notify);
        SayAll(notify);
        Assert.That(_log.Lines, Is.EqualTo(new[] { $"Warning 404: systemd is not told how the host is: NOTIFY_SOCKET is '{address}': {why}" }));
    }

    [Test]
    public void So_does_a_name_that_is_too_long()
    {
        SayAll(Read(new() { ["NOTIFY_SOCKET"] = "/" + new string('x', 200) }));
        Assert.That(_log.Lines, Has.Count.EqualTo(1));
    }

    [Test]
    public void A_manager_that_has_gone_and_come_back_hears_again()
    {
        var notify = Read(new() { ["NOTIFY_SOCKET"] = PathName });
        Manager(PathName).Dispose();
        notify.Ready();
        File.Delete(PathName);
        var manager = Manager(PathName);
        notify.Ready();
        Assert.That(Hear(manager), Is.EqualTo("READY=1"));
        Assert.That(_log.Lines, Has.Count.EqualTo(1));
    }

    [Test]
    public void A_manager_that_does_not_read_holds_up_nobody_for_long()
    {
        Manager(PathName);
        var notify = Read(new() { ["NOTIFY_SOCKET"] = PathName });
        var since = Stopwatch.StartNew();
        while (_log.Lines.IsEmpty)
        {
            notify.Ready();
            Assert.That(since.Elapsed, Is.LessThan(Deadline.Length));
        }

        Assert.That(_log.Lines.Single(), Does.EndWith("TimedOut"));
    }

    [TestCase("4711")]
    [TestCase(null)]
    public void The_watchdog_is_told_every_half_of_its_time_while_the_host_is_alive(string? watched)
    {
        var manager = Manager(PathName);
        using var notify = Read(Watched("10000000", watched));
        var alive = true;
        notify.Watch(() => alive);
        Assert.That(_time.NextDue, Is.EqualTo(TimeSpan.FromSeconds(5)));
        _time.Advance(TimeSpan.FromSeconds(5));
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.That((Hear(manager), Hear(manager)), Is.EqualTo(("WATCHDOG=1", "WATCHDOG=1")));

        alive = false;
        _time.Advance(TimeSpan.FromSeconds(5));
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.That(manager.Available, Is.Zero);
        Assert.That(_log.Lines, Is.EqualTo(new[] { "Error 405: The host counts as dead, and systemd, whose watchdog is not told otherwise any more, will restart it: it does not move any more" }));

        alive = true;
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.That(Hear(manager), Is.EqualTo("WATCHDOG=1"));
    }

    [Test]
    public void A_question_that_fails_counts_as_dead()
    {
        var manager = Manager(PathName);
        using var notify = Read(Watched("10000000", null));
        notify.Watch(() => throw new InvalidOperationException("a bug of ours"));
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.That(manager.Available, Is.Zero);
        Assert.That(_log.Lines.Single(), Does.Contain("a bug of ours"));
    }

    [TestCase("10000000", "4712", 0)]
    [TestCase("", null, 0)]
    [TestCase("0", null, 1)]
    [TestCase("-1", null, 1)]
    [TestCase("soon", null, 1)]
    public void There_is_no_watchdog_for_another_process_or_without_a_time(string period, string? watched, int lines)
    {
        using var notify = Read(Watched(period, watched));
        notify.Watch(() => true);
        Assert.That((_time.Timers, _log.Lines.Count), Is.EqualTo((0, lines)));
    }

    [Test]
    public void A_time_of_years_is_no_longer_than_a_timer_can_be()
    {
        using var notify = Read(Watched("9223372036854775807", null));
        notify.Watch(() => true);
        Assert.That(_time.NextDue, Is.EqualTo(TimeSpan.FromHours(12)));
        using var timer = TimeProvider.System.CreateTimer(_ => { }, null, _time.NextDue.Value, Timeout.InfiniteTimeSpan);
    }

    [Test]
    public void Watched_twice_it_is_told_once_and_after_the_end_not_at_all()
    {
        var manager = Manager(PathName);
        var notify = Read(Watched("10000000", null));
        notify.Watch(() => true);
        notify.Watch(() => true);
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.That(Hear(manager), Is.EqualTo("WATCHDOG=1"));
        notify.Dispose();
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.That((manager.Available, _time.Timers), Is.EqualTo((0, 0)));
    }

    private static string Hear(Socket manager)
    {
        var message = new byte[8192];
        return Encoding.UTF8.GetString(message, 0, manager.Receive(message));
    }

    private static void SayAll(SystemdNotify notify)
    {
        notify.Ready();
        notify.Reloading();
        notify.Status("well");
        notify.Stopping(TimeSpan.FromSeconds(1));
    }

    private SystemdNotify Read(Dictionary<string, string> variables) =>
        SystemdNotify.Read(name => variables.Remove(name, out var value) ? value : null, Me, _time, _log);

    private Dictionary<string, string> Watched(string period, string? watched)
    {
        var variables = new Dictionary<string, string> { ["NOTIFY_SOCKET"] = PathName, ["WATCHDOG_USEC"] = period };
        if (watched is not null)
        {
            variables["WATCHDOG_PID"] = watched;
        }

        return variables;
    }

    private Socket Manager(string name)
    {
        var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = (int)Deadline.Length.TotalMilliseconds };
        _open.Add(manager);
        manager.Bind(new UnixDomainSocketEndPoint(name[0] == '@' ? '\0' + name[1..] : name));
        return manager;
    }

    private sealed class KeptLog : ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Enqueue($"{logLevel} {eventId.Id}: {formatter(state, exception)}");
    }
}
