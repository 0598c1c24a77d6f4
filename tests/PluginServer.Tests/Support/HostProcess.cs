using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Newtonsoft.Json.Linq;
using PluginServer.Administration;

namespace PluginServer.Tests.Support;

/// <summary>The real host in a process of its own, as a user starts it.</summary>
internal sealed class HostProcess : IDisposable
{
    // A user namespace has limits of its own, so nothing else on the machine loses its events.
    private static readonly string[] _withoutEvents =
        ["sh", "-c", """exec unshare --user --map-root-user sh -ec 'echo 0 > /proc/sys/user/max_inotify_instances; exec "$@"' sh "$@" """, "sh"];

    private readonly Process _process;
    private readonly List<string> _output = [];
    private readonly TaskCompletionSource _serving = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _outputEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly string _config;
    private bool _ending;

    private HostProcess(Process process, string config)
    {
        _process = process;
        _config = config;
    }

    public int Id => _process.Id;

    public string Output
    {
        get
        {
            lock (_output)
            {
                return string.Join('\n', _output);
            }
        }
    }

    /// <summary>Runs a command to its end.</summary>
    public static async Task<(int ExitCode, string Output, string Error)> RunAsync(string workingDirectory, params string[] arguments)
    {
        using var process = Process.Start(Prepare(workingDirectory, arguments))!;
        var output = process.StandardOutput.ReadToEndAsync(Deadline.Token);
        var error = process.StandardError.ReadToEndAsync(Deadline.Token);
        await process.WaitForExitAsync(Deadline.Token);
        return (process.ExitCode, await output, await error);
    }

    /// <summary>Starts <c>run</c> and waits until every endpoint listens.</summary>
    public static Task<HostProcess> StartAsync(Workspace workspace, params string[] arguments) => BeginAsync(workspace, [], arguments);

    /// <summary>The same where the kernel grants the host no inotify instance.</summary>
    public static Task<HostProcess> StartWithoutEventsAsync(Workspace workspace) => BeginAsync(workspace, _withoutEvents, []);

    /// <summary>The same with at most so many open files.</summary>
    public static Task<HostProcess> StartLimitedAsync(Workspace workspace, int openFiles) =>
        BeginAsync(workspace, ["sh", "-c", string.Create(CultureInfo.InvariantCulture, $"ulimit -n {openFiles}; exec \"$@\""), "sh"], []);

    /// <summary>Starts <c>run</c> in a folder with a plugins.json, and waits until every endpoint listens.</summary>
    public static async Task<HostProcess> StartInAsync(string folder)
    {
        var host = Begin(folder, Path.Combine(folder, "plugins.json"), [], []);
        await host.ServingAsync();
        return host;
    }

    /// <summary>Starts it by another program, which becomes the host or stays its parent; waits for nothing.</summary>
    public static HostProcess Launch(Workspace workspace, string[] wrapper) => Begin(workspace.Root, workspace.ConfigFile, wrapper, []);

    /// <summary>Waits until every endpoint listens; fails when the host ends instead.</summary>
    public async Task ServingAsync()
    {
        var first = await Task.WhenAny(_serving.Task, _outputEnded.Task).Within();
        Assert.That(first, Is.SameAs(_serving.Task), () => $"the host ended: {Output}");
    }

    /// <summary>Waits until the host is no longer busy with its own start, and has no descriptor open for it.</summary>
    public Task SettledAsync() => Deadline.UntilAsync(
        () => !Directory.EnumerateDirectories($"/proc/{Id}/task").Any(task => NameOf(task) == "epoll warm-up"),
        "the host warms up for ever");

    /// <summary>Null when a host can be started without events, otherwise why not.</summary>
    public static async Task<string?> WhyNotWithoutEventsAsync()
    {
        using var process = Process.Start(new ProcessStartInfo(_withoutEvents[0], [.. _withoutEvents[1..], "true"]) { RedirectStandardError = true })!;
        var error = await process.StandardError.ReadToEndAsync(Deadline.Token);
        await process.WaitForExitAsync(Deadline.Token);
        return process.ExitCode == 0 ? null : $"no user namespace with an inotify limit of its own: {error}";
    }

    public Task<Client> ConnectAsync(string endpoint) => Client.ConnectAsync(EndPoint(endpoint));

    public IPEndPoint EndPoint(string endpoint)
    {
        var found = Regex.Match(Output, $@"Endpoint {Regex.Escape(endpoint)} listens on \S+:(\d+) ");
        Assert.That(found.Success, Is.True, Output);
        return new IPEndPoint(IPAddress.Loopback, int.Parse(found.Groups[1].Value, CultureInfo.InvariantCulture));
    }

    /// <summary>What the verb does, without the start of another process for it.</summary>
    public async Task<JObject> CallAsync(HttpMethod method, string call)
    {
        var answer = await ControlClient.SendAsync(method, call, _config, Deadline.Token);
        return answer.Json ?? throw new InvalidDataException($"{call} was answered {answer.Status}: {answer.Text}");
    }

    public Task<JObject> StatusAsync() => CallAsync(HttpMethod.Get, "/api/status");

    public void Signal(string name)
    {
        if (name != "HUP")
        {
            AssertBalanced();
        }

        using var kill = Process.Start("kill", ["-s", name, Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public async Task<int> ExitAsync()
    {
        await _process.WaitForExitAsync(Deadline.Token);
        await _outputEnded.Task.Within();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        try
        {
            AssertBalanced();
        }
        finally
        {
            if (!_process.HasExited)
            {
                // The host too, where a parent has started it.
                _process.Kill(entireProcessTree: true);
            }

            _process.Dispose();
        }
    }

    /// <summary>Whatever the test has done to it: accepted = active + ended, in every host that serves and is not yet told to end.</summary>
    private void AssertBalanced()
    {
        if (_ending || !_serving.Task.IsCompletedSuccessfully || _process.HasExited)
        {
            return;
        }

        _ending = true;
        var metrics = ControlClient.SendAsync(HttpMethod.Get, "/metrics", _config, Deadline.Token).GetAwaiter().GetResult();
        Assert.That(metrics.Status, Is.EqualTo(200), metrics.Text);
        Scrape.OfText(metrics.Text).AssertBalanced();
    }

    private static async Task<HostProcess> BeginAsync(Workspace workspace, string[] wrapper, string[] arguments)
    {
        var host = Begin(workspace.Root, workspace.ConfigFile, wrapper, arguments);
        await host.ServingAsync();
        return host;
    }

    private static HostProcess Begin(string folder, string config, string[] wrapper, string[] arguments)
    {
        var host = new HostProcess(Process.Start(Prepare(folder, ["run", .. arguments], wrapper))!, config);
        _ = host.ReadAsync();
        _ = host.ReadErrorAsync();
        return host;
    }

    private static ProcessStartInfo Prepare(string workingDirectory, string[] arguments, string[]? wrapper = null)
    {
        string[] command = [.. wrapper ?? [], "dotnet", Path.Combine(AppContext.BaseDirectory, "plugin-server.dll"), .. arguments];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            WorkingDirectory = workingDirectory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Remove("STATE_DIRECTORY");
        return start;
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            Add(line);
            if (line.Contains("Serving", StringComparison.Ordinal))
            {
                _serving.TrySetResult();
            }
        }

        _outputEnded.TrySetResult();
    }

    private async Task ReadErrorAsync()
    {
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            Add(line);
        }
    }

    private void Add(string line)
    {
        lock (_output)
        {
            _output.Add(line);
        }
    }

    private static string? NameOf(string task)
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "comm")).Trim();
        }
        catch (IOException)
        {
            // It has ended since.
            return null;
        }
    }
}
