using System.Globalization;
using System.Net.Sockets;
using System.Runtime.Versioning;
using PluginServer.Configuration;
using PluginServer.Networking;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Endpoints on Unix sockets: the file that they leave and find.</summary>
[UnsupportedOSPlatform("windows")]
internal sealed class UnixSocketTests
{
    private const UnixFileMode GroupToo = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
    private readonly Workspace _workspace = new();

    private string Path => System.IO.Path.Combine(_workspace.Root, "echo.sock");

    [SetUp]
    public void Fill() => _workspace.With("Echo");

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [TestCase("epoll")]
    [TestCase("sockets")]
    public async Task A_Unix_socket_is_served_and_is_gone_after_the_stop(string transport)
    {
        Configure($", \"transport\": \"{transport}\"");
        await using (var server = await StartAsync())
        {
            Assert.That(await EchoAsync("hello"), Is.EqualTo("hello"));
            var status = server.Reloader.Status().Endpoints.Single();
            Assert.That((status.Address, status.Port), Is.EqualTo(($"unix:{Path}", 0)));
            Assert.That(File.GetUnixFileMode(Path), Is.EqualTo(GroupToo));
            await server.AssertNothingLeftAsync();
        }

        Assert.That(Path, Does.Not.Exist);
    }

    [Test]
    public async Task The_mode_is_as_configured_and_an_edit_changes_it_in_place()
    {
        Configure(", \"unixMode\": \"600\"");
        await using var server = await StartAsync();
        Assert.That(File.GetUnixFileMode(Path), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
        using var inside = await ConnectAsync();
        Configure(", \"unixMode\": \"666\"");
        Assert.That((await server.Reloader.ReloadAsync()).Changes, Is.EqualTo(["endpoint test: unixMode: 600 -> 666"]));
        Assert.That(File.GetUnixFileMode(Path), Is.EqualTo(GroupToo | UnixFileMode.OtherRead | UnixFileMode.OtherWrite));
        Assert.That(await EchoAsync(inside, "still here"), Is.EqualTo("still here"));
    }

    [Test]
    public async Task The_owner_is_as_configured()
    {
        OnlyAsRoot();
        Configure(", \"unixOwner\": \"nobody:daemon\"");
        await using var server = await StartAsync();
        Assert.That(await OwnerAsync(), Is.EqualTo("nobody:daemon"));
        Configure(", \"unixOwner\": \"1:0\"");
        Assert.That((await server.Reloader.ReloadAsync()).Accepted, Is.True);
        Assert.That(await OwnerAsync(), Is.EqualTo("daemon:root"));
    }

    [TestCase("nobody-here", "there is no user 'nobody-here' on this machine; name one that there is, or its number")]
    [TestCase("root:nobody-here", "there is no group 'nobody-here' on this machine; name one that there is, or its number")]
    public async Task An_owner_that_is_unknown_is_an_error_and_costs_nobody_anything(string owner, string message)
    {
        Configure($", \"unixOwner\": \"{owner}\"");
        Assert.That(await RefusedAsync(), Is.EqualTo(Error(message, "endpoints[0].unixOwner")));
        Configure("");
        await using var server = await StartAsync();
        using var inside = await ConnectAsync();
        Configure($", \"unixOwner\": \"{owner}\"");
        Assert.That((await server.Reloader.ReloadAsync()).Errors.Single().Message, Is.EqualTo(message));
        Assert.That(await EchoAsync(inside, "still here"), Is.EqualTo("still here"));
    }

    [Test]
    public async Task After_a_kill_the_next_host_takes_the_file_over()
    {
        Configure("");
        using (var killed = await HostProcess.StartAsync(_workspace))
        {
            Assert.That(await EchoAsync("one"), Is.EqualTo("one"));
            killed.Signal("KILL");
            await killed.ExitAsync();
        }

        Assert.That(Path, Does.Exist);
        using var next = await HostProcess.StartAsync(_workspace);
        Assert.That(await EchoAsync("two"), Is.EqualTo("two"));
        next.Signal("TERM");
        Assert.That(await next.ExitAsync(), Is.Zero, next.Output);
        Assert.That(Path, Does.Not.Exist);
    }

    [Test]
    public async Task A_second_host_on_the_path_refuses_to_start_and_names_the_first()
    {
        Configure("");
        using var first = await HostProcess.StartAsync(_workspace);
        using var other = new Workspace().With("Echo").Configure(Endpoint("", "other"));
        var (exit, _, error) = await HostProcess.RunAsync(other.Root, "run");
        Assert.That(exit, Is.EqualTo(1));
        Assert.That(error.Trim(), Does.StartWith("plugins.json:").And.EndWith($": endpoints[0].unix: {Path} is in use by pid {first.Id} (dotnet); stop that process or choose another path"));
        Assert.That(await EchoAsync("the first"), Is.EqualTo("the first"));
    }

    [Test]
    public async Task Of_hosts_that_find_a_file_left_behind_at_once_one_gets_it()
    {
        Configure("");
        for (var round = 0; round < 20; round++)
        {
            using (var left = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            {
                left.Bind(new UnixDomainSocketEndPoint(Path));
            }

            var config = ConfigReader.Read(_workspace.ConfigFile).Config!.Endpoints.Single();
            using var transport = DefaultTransport.Create(TimeProvider.System);
            var listeners = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
            {
                try
                {
                    return Listener.Bind(config, transport, new SystemdSockets([]));
                }
                catch (ListenException)
                {
                    return null;
                }
            })));
            Assert.That(listeners.Count(listener => listener is not null), Is.EqualTo(1));
            using var only = listeners.Single(listener => listener is not null)!;
            using var client = await Client.ConnectAsync(new UnixDomainSocketEndPoint(Path));
        }
    }

    [Test]
    public async Task What_is_no_socket_is_not_touched()
    {
        await File.WriteAllTextAsync(Path, "precious");
        Configure("");
        Assert.That(await RefusedAsync(), Is.EqualTo(Error($"{Path} is there already and is no socket; move it away, or choose another path")));
        Assert.That(await File.ReadAllTextAsync(Path), Is.EqualTo("precious"));
        File.Delete(Path);
        Directory.CreateDirectory(Path);
        Assert.That(await RefusedAsync(), Is.EqualTo(Error($"{Path} is there already and is no socket; move it away, or choose another path")));
    }

    [Test]
    public async Task A_folder_that_is_missing_is_named()
    {
        _workspace.Configure("""[ { "name": "test", "unix": "run/echo.sock", "plugin": "Echo" } ]""");
        var folder = System.IO.Path.Combine(_workspace.Root, "run");
        Assert.That(await RefusedAsync(), Is.EqualTo(Error($"there is no folder {folder} for the socket; create it, for the host's user to write to")));
    }

    [Test]
    public async Task What_somebody_else_has_put_in_its_place_stays()
    {
        Configure("");
        await using (var server = await StartAsync())
        {
            File.Delete(Path);
            await File.WriteAllTextAsync(Path, "somebody else's");
        }

        Assert.That(await File.ReadAllTextAsync(Path), Is.EqualTo("somebody else's"));
    }

    [Test]
    public async Task An_edit_from_a_port_to_a_path_opens_the_one_and_drains_the_other()
    {
        _workspace.Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]""");
        await using var server = await StartAsync();
        using var overTcp = await server.ConnectAsync();
        Assert.That(await EchoAsync(overTcp, "tcp"), Is.EqualTo("tcp"));
        Configure("");
        Assert.That((await server.Reloader.ReloadAsync()).Accepted, Is.True);
        using var overUnix = await ConnectAsync();
        Assert.That(await EchoAsync(overUnix, "unix"), Is.EqualTo("unix"));
        Assert.That(await overTcp.EndsInResetAsync(), Is.False);
    }

    private static void OnlyAsRoot()
    {
        if (Environment.UserName != "root")
        {
            Assert.Ignore("only root gives files away");
        }
    }

    private static async Task<string> EchoAsync(Client client, string text)
    {
        await client.SendAsync(text + "\n");
        return await client.ReadLineAsync();
    }

    private string Endpoint(string more, string name = "test") => $$"""[ { "name": "{{name}}", "unix": "{{Path}}", "plugin": "Echo"{{more}} } ]""";

    private void Configure(string more) => _workspace.Configure(Endpoint(more));

    private Task<TestServer> StartAsync() => TestServer.StartAsync(_workspace, keep: true);

    private Task<Client> ConnectAsync() => Client.ConnectAsync(new UnixDomainSocketEndPoint(Path));

    private async Task<string> EchoAsync(string text)
    {
        using var client = await ConnectAsync();
        return await EchoAsync(client, text);
    }

    private async Task<string> OwnerAsync()
    {
        using var stat = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("stat", ["-c", "%U:%G", Path]) { RedirectStandardOutput = true })!;
        return (await stat.StandardOutput.ReadToEndAsync(Deadline.Token)).Trim();
    }

    private async Task<string> RefusedAsync() => (await Assert.ThrowsAsync<StartException>(StartAsync))!.Lines.Single();

    private string Error(string message, string path = "endpoints[0].unix")
    {
        var text = File.ReadAllLines(_workspace.ConfigFile);
        var key = path[(path.LastIndexOf('.') + 1)..];
        var line = Array.FindIndex(text, row => row.Contains($"\"{key}\":", StringComparison.Ordinal));
        var column = text[line].IndexOf('"', text[line].IndexOf($"\"{key}\":", StringComparison.Ordinal) + key.Length + 2) + 1;
        return string.Create(CultureInfo.InvariantCulture, $"{_workspace.ConfigFile}:{line + 1}:{column}: {path}: {message}");
    }
}
