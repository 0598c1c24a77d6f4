using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using Microsoft.Extensions.Logging;
using PluginServer.Administration;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>An administration endpoint whose host is this test.</summary>
internal sealed class AdminFace : IAsyncDisposable
{
    private readonly Workspace _workspace;
    private readonly LogKeeper _log = new();
    private AdminEndpoint? _endpoint;
    private bool _isSecure;

    private readonly TimeProvider _time;

    private AdminFace(Workspace workspace, TimeProvider time)
    {
        _workspace = workspace;
        _time = time;
        Events = new EventStream(time);
    }

    public bool IsReady { get; set; } = true;

    public ServerStatus Status { get; set; } = Sample.Status;

    public ReloadOutcome Outcome { get; set; } = new(true, 4, ["endpoint echo: maxConnections 10 -> 20"], []);

    public DrainOutcome Drained { get; set; } = new(3, 1, 0, IsComplete: true);

    public IReadOnlyList<(MetricFamily Family, IReadOnlyList<MetricPoint> Points)> Metrics { get; set; } = [];

    public IReadOnlyList<ConnectionStatus> Connections { get; set; } = [];

    public EventStream Events { get; }

    /// <summary>What a reload, and a drain, waits for.</summary>
    public Task Before { get; set; } = Task.CompletedTask;

    /// <summary>What was asked for: "reload", "rollback NAME", "pause NAME", "drain NAME TIME", "cut NUMBER".</summary>
    public ConcurrentQueue<string> Asked { get; } = [];

    public IEnumerable<string> Log => _log.Lines;

    public AdminEndpoint Endpoint => _endpoint!;

    public string ConfigFile => _workspace.ConfigFile;

    public string StateDirectory { get; private set; } = "";

    public string Token => File.ReadAllText(Endpoint.TokenFile).Trim();

    /// <summary>Scheme and place; where it listens everywhere, on this machine.</summary>
    public string Origin
    {
        get
        {
            var address = Endpoint.Address!;
            return $"{(_isSecure ? "https" : "http")}://{(address.Address.Equals(IPAddress.IPv6Any) ? new IPEndPoint(IPAddress.Loopback, address.Port) : address)}";
        }
    }

    /// <summary>Starts on any port.</summary>
    public static async Task<AdminFace> StartAsync(string admin = """{ "port": 0 }""", string state = "state", TimeProvider? time = null)
    {
        var workspace = new Workspace();
        await File.WriteAllTextAsync(workspace.ConfigFile, $$"""{ "stateDirectory": "{{state}}", "admin": {{admin}}, "endpoints": [] }""");
        var face = new AdminFace(workspace, time ?? TimeProvider.System);
        var config = ConfigReader.Read(workspace.ConfigFile).Config!;
        face.StateDirectory = config.StateDirectory;
        Directory.CreateDirectory(config.StateDirectory);
        await face.StartAsync(config);
        return face;
    }

    /// <summary>As the next host on the same state directory.</summary>
    public async Task RestartAsync()
    {
        await Endpoint.DisposeAsync();
        await StartAsync(ConfigReader.Read(ConfigFile).Config!);
    }

    public HttpRequestMessage Request(HttpMethod method, string call, string? token = null, string? host = null)
    {
        var request = new HttpRequestMessage(method, new Uri($"{Origin}{call}"));
        request.Headers.Host = host;
        if (token is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", token);
        }

        return request;
    }

    public async Task<(int Status, string Body, HttpResponseMessage Response)> SendAsync(HttpMethod method, string call, string? token = null, string? host = null)
    {
        using var client = Client();
        using var request = Request(method, call, token, host);
        var response = await client.SendAsync(request, Deadline.Token);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(Deadline.Token), response);
    }

    /// <summary>Takes whatever certificate; when an answer that goes on is let go, its connection is closed at once.</summary>
    public static HttpClient Client() => new(new SocketsHttpHandler
    {
        UseProxy = false,
        MaxResponseDrainSize = 0,
        SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is not null },
    });

    public Task<(int ExitCode, string Output, string Error)> VerbAsync(params string[] verb) => Cli.RunAsync([.. verb, "--config", ConfigFile]).Within();

    public async ValueTask DisposeAsync()
    {
        await Endpoint.DisposeAsync();
        _workspace.Dispose();
    }

    private async Task StartAsync(ServerConfig config)
    {
        _isSecure = config.Admin.Tls is not null;
        var credentials = config.Admin.Tls is { } tls ? TlsCredentials.Load(tls, DateTimeOffset.UtcNow).Credentials : null;
        _endpoint = await AdminEndpoint.StartAsync(config, Calls(), _log, credentials, _time).Within();
    }

    private AdminCalls Calls() => new()
    {
        IsReady = () => IsReady,
        Status = () => Status,
        Metrics = () => Metrics,
        Connections = (endpoint, limit) =>
        {
            var inside = Connections.Where(connection => endpoint is null || connection.Endpoint == endpoint).ToList();
            return new ConnectionReport(inside.Count, [.. inside.Take(limit)]);
        },
        Events = Events,
        ReloadAsync = ReloadAsync,
        RollbackAsync = RollbackAsync,
        Endpoints = () => [.. Status.Endpoints.Select(endpoint => endpoint.Name)],
        Pause = endpoint => Switch("pause", endpoint, EndpointState.Paused),
        Resume = endpoint => Switch("resume", endpoint, EndpointState.Listening),
        DrainAsync = (endpoint, timeout) => Knows(endpoint) ? DrainAsync(endpoint, timeout) : null,
        Cut = id =>
        {
            Asked.Enqueue($"cut {id}");
            return Connections.FirstOrDefault(connection => connection.Id == id)?.Endpoint;
        },
    };

    private bool Knows(string endpoint) => Status.Endpoints.Any(known => known.Name == endpoint);

    private EndpointState? Switch(string verb, string endpoint, EndpointState state)
    {
        Asked.Enqueue($"{verb} {endpoint}");
        return Knows(endpoint) ? state : null;
    }

    private async Task<DrainOutcome> DrainAsync(string endpoint, TimeSpan? timeout)
    {
        Asked.Enqueue($"drain {endpoint} {timeout?.ToString() ?? "default"}");
        await Before;
        return Drained;
    }

    private async Task<ReloadOutcome> ReloadAsync()
    {
        Asked.Enqueue("reload");
        await Before;
        return Outcome;
    }

    private Task<ReloadOutcome> RollbackAsync(string plugin)
    {
        Asked.Enqueue($"rollback {plugin}");
        return Task.FromResult(Outcome);
    }

    private sealed class LogKeeper : ILoggerFactory, ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = [];

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public ILogger CreateLogger(string categoryName) => this;

        public void Dispose() => Lines.Enqueue("disposed");

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Enqueue($"{logLevel} {eventId.Id}: {formatter(state, exception)}");
    }
}
