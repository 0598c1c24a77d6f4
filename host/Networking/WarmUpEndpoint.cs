using System.Collections.Immutable;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>An endpoint like those that are configured, on a Unix socket that only the host's user can reach, with an echo of the host's
/// own for a handler: for <see cref="EpollWarmUp"/>. Nobody counts it or logs what it does.</summary>
internal sealed class WarmUpEndpoint : IDisposable
{
    /// <summary>The echo answers a whole message: one that comes in pieces is received in several reads.</summary>
    public const int MessageBytes = 64;
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(1);
    private readonly UnixDomainSocketEndPoint _address;
    private readonly ServiceProvider _services;
    private readonly Telemetry _telemetry;
    private readonly CancellationTokenSource _stop;
    private readonly Endpoint _endpoint;
    private readonly Task _accepting;

    /// <param name="transport">What it is served by.</param>
    /// <param name="folder">Absolute path of a folder that the host has to itself.</param>
    /// <exception cref="ListenException">It cannot listen there.</exception>
    /// <exception cref="SocketException">The system has no descriptor to spare.</exception>
    /// <exception cref="ArgumentException">The path is too long for a socket.</exception>
    public WarmUpEndpoint(Transport transport, string folder)
    {
        var path = Path.Combine(folder, "warm-up.sock");
        _address = new UnixDomainSocketEndPoint(path);
        var config = new EndpointConfig
        {
            Name = "warm-up",
            Port = 0,
            Unix = path,
            UnixMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            Plugin = "warm-up",
            Position = new ConfigPosition("", "", ImmutableDictionary<string, (int, int)>.Empty),
        };
        var time = TimeProvider.System;

        // First, for it is what can fail: nothing else is left behind then.
        var listener = Listener.Bind(config, transport, new SystemdSockets([]));
        _services = new ServiceCollection().BuildServiceProvider();
        var events = new EventStream(time);
        _telemetry = new Telemetry(NullLogger.Instance, new StormLog(NullLogger.Instance, events, time), events, Instruments: null);
        _stop = new CancellationTokenSource();
        var handler = new HandlerBinding(PluginGeneration.OfHost(config.Plugin, time), nameof(Echo), _services, static (_, _) => new Echo(), [], scoped: false, readsMessages: false, changesCode: false);
        var places = new Places(config.MaxConnections);
        _endpoint = new Endpoint(config, listener, handler, Transports.Of(transport), new ConnectionRunner(time), places, time, new DescriptorReserve(null), _telemetry);
        _accepting = new Acceptor(_endpoint, places, time, _telemetry).RunAsync(_stop.Token, _stop.Token);
    }

    /// <summary>A client of it, blocking.</summary>
    /// <exception cref="SocketException">The system has no descriptor to spare, or the transport is gone.</exception>
    public Socket Connect()
    {
        var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = (int)_patience.TotalMilliseconds };
        try
        {
            client.Connect(_address);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>Waits for its clients, who have gone, to be gone from it too.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        _endpoint.Dispose();
        Task.WhenAll(_accepting.ContinueWith(static _ => { }, TaskScheduler.Default), _endpoint.Connections.WhenEmpty()).Wait(_patience);
        _endpoint.Slot.Exchange(null);
        _telemetry.Storms.Dispose();
        _services.Dispose();
        _stop.Dispose();
    }

    private sealed class Echo : IConnectionHandler
    {
        public async Task HandleAsync(Connection connection, CancellationToken draining)
        {
            while (true)
            {
                var result = await connection.Input.ReadAsync(draining);
                var isWhole = result.Buffer.Length >= MessageBytes;
                if (isWhole)
                {
                    foreach (var segment in result.Buffer)
                    {
                        await connection.Output.WriteAsync(segment, CancellationToken.None);
                    }
                }

                connection.Input.AdvanceTo(isWhole ? result.Buffer.End : result.Buffer.Start, result.Buffer.End);
                if (result.IsCompleted)
                {
                    return;
                }
            }
        }
    }
}
