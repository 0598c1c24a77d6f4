using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;

namespace PluginServer.Administration;

/// <summary>The HTTP face of a running host, on a TCP port and on the control socket.</summary>
internal sealed class AdminEndpoint : IAsyncDisposable
{
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(5);
    private readonly AdminListeners _listeners;
    private readonly WebApplication? _app;

    private AdminEndpoint(AdminListeners listeners, WebApplication? app, AdminToken token)
    {
        _listeners = listeners;
        _app = app;
        TokenFile = token.File;
        Address = (IPEndPoint?)listeners.Http?.LocalEndPoint;
    }

    /// <summary>Null where it is disabled or its port could not be had.</summary>
    public IPEndPoint? Address { get; }

    public string TokenFile { get; }

    /// <param name="config">What runs.</param>
    /// <param name="calls">What it asks of the host.</param>
    /// <param name="logs">Where it says what happens.</param>
    /// <param name="credentials">Of <c>admin.tls</c>, where there is such a section.</param>
    /// <param name="time">By default the system's.</param>
    /// <remarks>Takes the state directory as claimed; whoever starts it stops it before another host may claim that.</remarks>
    public static async Task<AdminEndpoint> StartAsync(ServerConfig config, AdminCalls calls, ILoggerFactory logs, TlsCredentials? credentials = null, TimeProvider? time = null)
    {
        var log = logs.CreateLogger(Log.Category);
        time ??= TimeProvider.System;
        var tls = config.Admin.Tls is { } section && credentials is not null ? new AdminTls(section, credentials, time, log) : null;
        var token = AdminToken.Create(config.StateDirectory);
        var listeners = AdminListeners.Open(config, log);
        try
        {
            // Without a socket the server would choose an address of its own.
            var app = listeners.All.Any() ? Build(config, calls, token, tls, time, listeners, logs) : null;
            await (app?.StartAsync() ?? Task.CompletedTask);
            var admin = new AdminEndpoint(listeners, app, token);
            if (admin.Address is { } address)
            {
                Log.AdministrationListens(log, $"{(tls is null ? "http" : "https")}://{address}", token.File);
                AdminTls.Warn(log, credentials?.Warnings ?? []);
            }

            return admin;
        }
        catch
        {
            listeners.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            using var timeout = new CancellationTokenSource(StopTimeout);
            await _app.StopAsync(timeout.Token);
            await _app.DisposeAsync();
        }

        _listeners.Dispose();
    }

    // Empty, so that no ASPNETCORE_ variable and no appsettings.json opens a port or changes what is logged.
    private static WebApplication Build(ServerConfig config, AdminCalls calls, AdminToken token, AdminTls? tls, TimeProvider time, AdminListeners listeners, ILoggerFactory logs)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<ILoggerFactory>(new WarningLogs(logs));
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.Services.Configure<SocketTransportOptions>(sockets =>
            sockets.CreateBoundListenSocket = address => listeners.All.First(socket => address.Equals(socket.LocalEndPoint)));
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = AdminGuard.LongestBody;
            kestrel.ConfigureEndpointDefaults(listen => listen.Protocols = HttpProtocols.Http1);
            foreach (var socket in listeners.All)
            {
                kestrel.Listen(socket.LocalEndPoint!, listen =>
                {
                    if (socket == listeners.Http)
                    {
                        listen.Use(new AdminConnections().Limit);
                    }

                    if (socket == listeners.Http && tls is not null)
                    {
                        listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = context => ValueTask.FromResult(tls.Select(context.ClientHelloInfo.ServerName)) });
                    }
                });
            }
        });
        var app = builder.Build();
        app.Use(new AdminGuard(config.Admin, token, tls).InvokeAsync);
        AdminRoutes.Map(app, calls, token, tls, time, app.Lifetime.ApplicationStopping);
        return app;
    }

    /// <summary>Signals are the server's own: a stop drains first and ends this endpoint last.</summary>
    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
