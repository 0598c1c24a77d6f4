using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using NUnit.Framework;
using PluginServer.Networking;
using PluginServer.Supervision;

namespace PluginServer.Testing;

/// <summary>A plugin in the real loader and host, in this process, behind one endpoint: without a configuration file, and with a time that the test decides.</summary>
/// <remarks>Hosts are independent of each other: each loads the plugin for itself, with statics and a <see cref="PluginState"/> of its own.</remarks>
[SuppressMessage("Design", "CA1001", Justification = "DisposeAsync disposes them.")]
public sealed partial class PluginHost : IAsyncDisposable
{
    private const string EndpointName = "test";
    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly string _plugin;
    private readonly Server _server;
    private readonly Reloader _reloader;
    private readonly HostFolder _folder;
    private readonly HostLog _log;
    private readonly Transport _transport;
    private readonly VirtualTime? _time;
    private readonly HostCertificate? _certificate;
    private bool _isDisposed;
    private int _lastPort;

    private PluginHost(string plugin, Server server, HostFolder folder, HostLog log, Transport transport, VirtualTime? time, HostCertificate? certificate)
    {
        _plugin = plugin;
        _server = server;
        _folder = folder;
        _log = log;
        _transport = transport;
        _time = time;
        _certificate = certificate;
        _reloader = new Reloader(server, folder.ConfigFile, watcher: null, log.CreateLogger(Diagnostics.Log.Category), time ?? TimeProvider.System);
    }

    /// <summary>The time of host and plugin.</summary>
    /// <exception cref="InvalidOperationException">They have the system's.</exception>
    public VirtualTime Time => _time ?? throw new InvalidOperationException("This host was loaded with RealTime: its time passes by itself.");

    /// <summary>The number of the generation that serves new connections, from 1; 0 when none does any more.</summary>
    public int Generation => _server.Plugin(_plugin)?.Active?.Number ?? 0;

    /// <summary>What the plugin keeps for all its connections and generations.</summary>
    public PluginState State => _server.StateOf(_plugin);

    /// <summary>How many connections are inside now, those of earlier generations included.</summary>
    public int Connections => _server.Inside.Count();

    /// <summary>What host and plugin have logged so far, from Information on.</summary>
    public IReadOnlyList<string> Log => _log.Lines;

    private RunningEndpoint? Running => _server.Running is [var running] ? running : null;

    /// <summary>Loads a plugin as the host would, and serves it.</summary>
    /// <remarks>Services that have not started after 15 s of real time have virtual time pass, so that the host refuses those that hang.</remarks>
    /// <param name="pathOrProject">A folder with the plugin's build, its .dll, or its project, which is built then (once, until a file of its folder changes).
    /// A relative path is one of the folder of the tests or of a folder above it, so the project's path in the repository will do.</param>
    /// <param name="options">What plugins.json would say; null is all defaults.</param>
    /// <param name="cancellationToken">Ends a build, too.</param>
    /// <exception cref="PluginHostException">There is no such plugin, it does not compile, or the host refuses it.</exception>
    public static async Task<PluginHost> LoadAsync(string pathOrProject, PluginHostOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new PluginHostOptions();
        var source = await PluginSource.FindAsync(pathOrProject, cancellationToken);
        var folder = new HostFolder();
        try
        {
            folder.Place(source);
            var certificate = options.Tls ? HostCertificate.Write(folder.CertificateFile) : null;
            var config = HostConfig.Write(folder, source.Name, EndpointName, options);
            var (log, time) = (new HostLog(), options.RealTime ? null : new VirtualTime());
            var transport = Create(options.Transport, time ?? TimeProvider.System);
            cancellationToken.ThrowIfCancellationRequested();
            var starting = Server.StartAsync(config, log, time ?? TimeProvider.System, Transports.Of(transport));
            await PassTimeUntilAsync(starting, time, StartGrace);
            return new PluginHost(source.Name, await starting, folder, log, transport, time, certificate);
        }
        catch (StartException refused)
        {
            folder.Dispose();
            throw new PluginHostException([.. refused.Lines.Select(folder.Translate)]);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>A client of the endpoint. As with any server it may be connected before its handler runs: see <see cref="WhenConnectionsAsync"/>.</summary>
    /// <param name="options">Null is a client without any faults.</param>
    /// <param name="cancellationToken">Ends the wait for a TLS handshake.</param>
    /// <exception cref="InvalidOperationException">The plugin has been unloaded, or the host disposed of.</exception>
    /// <exception cref="IOException">The host has ended the connection already.</exception>
    public async Task<TestClient> ConnectAsync(ClientOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new ClientOptions();
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var server = (IPEndPoint)(Running ?? throw new InvalidOperationException("Nothing serves any more: AssertUnloadsAsync has taken the endpoint away.")).Endpoint.LocalEndPoint;
        if (options.Tls == true && _certificate is null)
        {
            throw new InvalidOperationException("This endpoint speaks no TLS: load the host with Tls = true.");
        }

        var tls = options.Tls ?? _certificate is not null ? _certificate!.For(options.HostName) : null;
        var prelude = options.Proxy == ProxyVersion.None ? [] : ProxyPrelude.Of(options.Proxy, options.ProxySource, server);
        if (_transport is MemoryTransport memory)
        {
            // From where the system takes its own.
            var from = options.From ?? new IPEndPoint(IPAddress.Loopback, 49_152 + (Interlocked.Increment(ref _lastPort) % 16_384));
            var end = memory.Connect(server, from);
            end.SegmentSize = options.SegmentSize;
            var stream = new MemoryClient(end);
            return await TestClient.OpenAsync(stream, from, (stream.ShutDownSending, stream.Reset), prelude, tls, cancellationToken);
        }

        var socket = await ConnectAsync(server, options.From, cancellationToken);
        var local = socket.LocalEndPoint!;
        var network = options.SegmentSize > 0 ? new PacedStream(socket, options.SegmentSize, () => ReceivedFrom(local)) : new NetworkStream(socket, ownsSocket: true);
        return await TestClient.OpenAsync(network, local, (() => socket.Shutdown(SocketShutdown.Send), () => Reset(socket)), prelude, tls, cancellationToken);
    }

    /// <summary>Waits until so many connections are inside. Fails after 30 s of real time. A connection whose handler has returned stays inside until its
    /// client has sent FIN, or for a second of the host's time.</summary>
    /// <param name="count">How many.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="AssertionException">There are more or fewer.</exception>
    public Task WhenConnectionsAsync(int count, CancellationToken cancellationToken = default) =>
        Patience.UntilAsync(() => Connections == count, () => $"{Connections} connections are inside, not {count}", cancellationToken);

    /// <summary>Waits until a line with this text has been logged: what the host says of a connection may come after its end. Fails after 30 s of real time.</summary>
    /// <param name="text">A part of the line.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The line, with its level and category.</returns>
    /// <exception cref="AssertionException">There is none.</exception>
    public async Task<string> WhenLoggedAsync(string text, CancellationToken cancellationToken = default)
    {
        string? line = null;
        await Patience.UntilAsync(
            () => (line = Log.FirstOrDefault(line => line.Contains(text, StringComparison.Ordinal))) is not null,
            () => $"no line with \"{text}\" was logged, but: {string.Join(Environment.NewLine, Log)}",
            cancellationToken);
        return line!;
    }

    /// <summary>Puts another build in the place of the one that serves, as a deploy does: connections that are inside keep theirs.</summary>
    /// <param name="pathOrProject">As in <see cref="LoadAsync"/>; its main assembly bears the same name.</param>
    /// <param name="cancellationToken">Ends a build.</param>
    /// <exception cref="PluginHostException">The host refuses the build, with the reasons, or it is the one that serves; that serves on.</exception>
    public async Task SwapToAsync(string pathOrProject, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var source = await PluginSource.FindAsync(pathOrProject, cancellationToken);
        if (source.Name != _plugin)
        {
            throw new PluginHostException($"{source.Folder} holds plugin {source.Name}; a swap of {_plugin} needs a build of {_plugin}");
        }

        await _one.WaitAsync(cancellationToken);
        try
        {
            var before = Generation;
            _folder.Place(source);
            var swapping = _reloader.ReloadAsync();
            await PassTimeUntilAsync(swapping, _time, StartGrace);
            var outcome = await swapping;
            if (!outcome.Accepted)
            {
                throw new PluginHostException([.. outcome.Errors.Select(error => _folder.Translate(error.ToString()))]);
            }

            if (Generation == before)
            {
                throw new PluginHostException($"the build in {source.Folder} is the one that serves as generation {before}; change something in it first");
            }
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Asks the handlers to finish, by their <c>draining</c> tokens, and waits until none is inside; then the endpoint accepts as before. Fails after 30 s of real time.</summary>
    /// <remarks>Virtual time passes where all handlers have returned, for the second that the host reads on for clients that have not sent FIN.</remarks>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="AssertionException">A handler has not returned.</exception>
    public async Task DrainAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (Running is not { } running)
        {
            return;
        }

        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var draining = running.DrainAsync(Timeout.InfiniteTimeSpan, end.Token);
        try
        {
            var waiting = PassLingerAsync(draining);
            await waiting.WithinAsync(() => $"{Connections} connections are still inside: {string.Join(", ", _server.Inside.Select(connection => connection.RemoteName))}", cancellationToken);
        }
        finally
        {
            await end.CancelAsync();
            running.Resume();
        }
    }

    /// <summary>Ends everything at once: connections are cut, services stopped, folders removed.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        var stopping = _reloader.StopAsync("the end of the test", new CancellationToken(canceled: true));
        await PassTimeUntilAsync(stopping, _time, Grace);
        _reloader.Dispose();
        _server.Dispose();
        _folder.Dispose();
        _one.Dispose();
    }

    private static Transport Create(PluginTransport transport, TimeProvider time) => transport switch
    {
        PluginTransport.Memory => new MemoryTransport(time),
        PluginTransport.Sockets => new SocketTransport(time),
        _ when OperatingSystem.IsLinux() => new EpollTransport(time),
        _ => throw new PlatformNotSupportedException("PluginTransport.Epoll is for Linux; take Sockets or Memory, or [OverTransports], which leaves it out elsewhere."),
    };

    private static async Task<Socket> ConnectAsync(IPEndPoint server, IPEndPoint? from, CancellationToken cancellationToken)
    {
        // A small buffer, so that a slow reader holds the handler back within a test's patience.
        var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveBufferSize = 64 * 1024 };
        try
        {
            if (from is not null)
            {
                socket.Bind(from);
            }

            await socket.ConnectAsync(server, cancellationToken);
            return socket;
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            // Before the call has returned: whoever is turned away may be that quick.
            socket.Dispose();
            throw new IOException("The host has ended the connection already.", error);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static void Reset(Socket socket)
    {
        socket.LingerState = new LingerOption(enable: true, seconds: 0);
        socket.Dispose();
    }

    private long? ReceivedFrom(EndPoint client) =>
        _server.Inside.FirstOrDefault(connection => client.Equals(connection.RemoteEndPoint) && connection.Transport.End.Cause == CloseCause.None)?.Transport.BytesReceived;
}
