using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>The socket outlives the hosts: clients come at a fixed rate while one host after the other is stopped.</summary>
[Platform("Linux")]
internal sealed class SystemdRestartTests
{
    private const int PerSecond = 200;
    private const int Restarts = 2;
    private readonly Workspace _workspace = new();
    private readonly IPEndPoint _address = SocketActivation.FreeAddress();
    private readonly ConcurrentQueue<string> _failures = [];
    private int _answered;
    private long _longest;

    [SetUp]
    public async Task Fill()
    {
        if (await Tools.MissingAsync(SocketActivation.Tool) is { } why)
        {
            Assert.Ignore(why);
        }

        _workspace.With("Behaviours").Configure("""[ { "name": "web", "systemd": "web", "plugin": "Behaviours", "handler": "LineHandler" } ]""");
    }

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [Test]
    public async Task Restarts_of_the_host_refuse_nobody_and_leave_nobody_unanswered()
    {
        using var host = HostProcess.Launch(_workspace, SocketActivation.Restarting((_address, "web")));
        (await SocketActivation.ConnectAsync(_address)).Dispose();
        await host.ServingAsync();
        using var over = new CancellationTokenSource();
        var load = Task.Run(() => ComeAsync(over.Token));
        for (var restart = 0; restart <= Restarts; restart++)
        {
            await Deadline.UntilAsync(() => Serving(host).Count == restart + 1, () => $"host {restart + 1} serves\n{host.Output}");
            var before = Volatile.Read(ref _answered);
            await Deadline.UntilAsync(() => Volatile.Read(ref _answered) > before + PerSecond, () => $"host {restart + 1} answers\n{host.Output}");
            if (restart < Restarts)
            {
                Assert.That((await Tools.RunAsync("kill", "-s", "TERM", Serving(host)[restart])).Code, Is.Zero);
            }
        }

        await over.CancelAsync();
        var come = await load.Within();
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{come} clients, {PerSecond} a second, over {Restarts} restarts; the longest wait {_longest / 1000.0:0.0} s"));
        Assert.That(_failures.Take(5), Is.Empty, "nobody is refused, reset or left unanswered");
        Assert.That(_answered, Is.EqualTo(come));
        Assert.That(Serving(host).Distinct().Count(), Is.EqualTo(Restarts + 1), "each host is a process of its own");
        Assert.That(Regex.Count(host.Output, " Stopped$", RegexOptions.Multiline), Is.EqualTo(Restarts), host.Output);
    }

    /// <summary>The process numbers of the hosts that have come to serve.</summary>
    private static List<string> Serving(HostProcess host)
    {
        var output = host.Output;
        var started = Regex.Matches(output, @"^PluginServer .*, pid (\d+), ", RegexOptions.Multiline).Select(match => match.Groups[1].Value);
        return [.. started.Take(Regex.Count(output, " Serving 1 endpoints "))];
    }

    /// <summary>Has clients come until then, and says how many did.</summary>
    private async Task<int> ComeAsync(CancellationToken over)
    {
        var clients = new List<Task>();
        for (var watch = Stopwatch.StartNew(); !over.IsCancellationRequested;)
        {
            while (clients.Count < watch.Elapsed.TotalSeconds * PerSecond)
            {
                clients.Add(AskAsync(clients.Count));
            }

            await Task.Delay(TimeSpan.FromMilliseconds(1000.0 / PerSecond), CancellationToken.None);
        }

        await Task.WhenAll(clients);
        return clients.Count;
    }

    private async Task AskAsync(int number)
    {
        var watch = Stopwatch.StartNew();
        var line = string.Create(CultureInfo.InvariantCulture, $"client {number}\n");
        try
        {
            using var client = await Client.ConnectAsync(_address);
            await client.SendAsync(line);
            var answer = await client.ReadTextToEndAsync();
            if (answer != line)
            {
                _failures.Enqueue($"client {number} was answered '{answer}'");
                return;
            }

            Interlocked.Increment(ref _answered);
            InterlockedMax(watch.ElapsedMilliseconds);
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException)
        {
            _failures.Enqueue($"client {number}: {(error is SocketException fault ? fault.SocketErrorCode : "no answer")} after {watch.Elapsed}");
        }
    }

    private void InterlockedMax(long took)
    {
        for (var longest = Volatile.Read(ref _longest); took > longest; longest = Volatile.Read(ref _longest))
        {
            Interlocked.CompareExchange(ref _longest, took, longest);
        }
    }
}
