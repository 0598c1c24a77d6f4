using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace PluginServer.Benchmarks;

/// <summary>A server in a process of its own, and what it has used.</summary>
internal sealed class ServerProcess : IDisposable
{
    private readonly Process _process;
    private readonly string? _folder;

    private ServerProcess(Process process, int port, string? folder)
    {
        _process = process;
        _folder = folder;
        Port = port;
    }

    public int Port { get; }

    public int Id => _process.Id;

    /// <summary>Its folder: plugins.json, plugins/Echo and state.</summary>
    public string Folder => _folder ?? throw new InvalidOperationException("Only the host has one.");

    public string ConfigFile => Path.Combine(Folder, "plugins.json");

    public TimeSpan Cpu
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>Resident, in bytes.</summary>
    public long Memory
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    public int Descriptors => Directory.GetFileSystemEntries($"/proc/{_process.Id}/fd").Length;

    /// <summary>The host as a user starts it, with a copy of the Echo that was built from plugins/.</summary>
    public static async Task<ServerProcess> StartHostAsync(string transport = "auto", ServerCertificateFiles? certificate = null)
    {
        var folder = Directory.CreateTempSubdirectory("plugin-server-benchmark-").FullName;
        var echo = Path.Combine(folder, "plugins", "Echo");
        Directory.CreateDirectory(echo);
        foreach (var file in Directory.GetFiles(Path.Combine(Repository.Root, "artifacts", "plugins", "Echo")))
        {
            File.Copy(file, Path.Combine(echo, Path.GetFileName(file)));
        }

        var port = FreePort();
        var tls = certificate is null ? "" : $$""", "tls": { "certificate": "{{certificate.Certificate}}", "key": "{{certificate.Key}}" }""";
        await File.WriteAllTextAsync(Path.Combine(folder, "plugins.json"), $$"""
            { "pluginDirectory": "plugins", "stateDirectory": "state", "admin": { "port": 0 },
              "endpoints": [ { "port": {{port}}, "plugin": "Echo", "maxConnections": 19000, "transport": "{{transport}}"{{tls}} } ] }
            """);
        return await StartAsync(port, folder, Path.Combine(AppContext.BaseDirectory, "plugin-server.dll"), "run", "--config", Path.Combine(folder, "plugins.json"));
    }

    public static Task<ServerProcess> StartKestrelAsync(ServerCertificateFiles? certificate = null)
    {
        var port = FreePort();
        string[] files = certificate is null ? [] : [certificate.Folder];
        return StartAsync(port, null, [typeof(ServerProcess).Assembly.Location, "kestrel", port.ToString(CultureInfo.InvariantCulture), .. files]);
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        if (_folder is not null)
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    private static async Task<ServerProcess> StartAsync(int port, string? folder, params string[] arguments)
    {
        var process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true })!;
        List<string> output = [];
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            output.Add(line);
            if (line.Contains("Serving", StringComparison.Ordinal))
            {
                _ = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
                return new ServerProcess(process, port, folder);
            }
        }

        throw new InvalidOperationException($"{string.Join(' ', arguments)} ended:{Environment.NewLine}{string.Join(Environment.NewLine, output)}");
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
