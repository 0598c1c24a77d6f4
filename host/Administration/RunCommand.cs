using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;
using PluginServer.Supervision;

namespace PluginServer.Administration;

/// <summary>Serves until a signal, then stops as plugins.json says.</summary>
internal static class RunCommand
{
    private const int Cut = 3;

    /// <summary>What a stop may take beyond the deadline at which connections are cut: handlers that do not return, and services that stop slowly.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(40);

    public static async Task<int> RunAsync(CommandContext context, string file, LogFormat format)
    {
        var read = ConfigReader.Read(file);
        if (read.Config is not { } config)
        {
            return context.Fail(read.Errors.Select(error => error.ToString()));
        }

        var tls = config.Admin.Tls is { } section ? TlsCredentials.Load(section, TimeProvider.System.GetUtcNow()) : null;
        if (tls is { Credentials: null })
        {
            return context.Fail(tls.Errors.Select(error => error.ToString()));
        }

        using var cutNow = new CancellationTokenSource();
        var stop = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        void OnSignal(PosixSignalContext signal)
        {
            signal.Cancel = true;
            if (!stop.TrySetResult(signal.Signal.ToString()))
            {
                cutNow.Cancel();
            }
        }

        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using var logs = CreateLogs(format, context.IsPlain);
        try
        {
            using var systemd = SystemdNotify.OfProcess(TimeProvider.System, logs.CreateLogger(Log.Category));
            await using var watcher = new ChangeWatcher(TimeProvider.System, logs.CreateLogger(Log.Category));
            watcher.Watch(file, config.PluginDirectory, [.. config.Endpoints.Select(endpoint => endpoint.Plugin).Distinct()], config.CredentialFiles);
            using var export = OtlpExport.Start(StatusReport.Version);
            var transports = Transports.OfSystem(TimeProvider.System, SystemdSockets.OfProcess());
            using var server = await Server.StartAsync(config, logs, TimeProvider.System, transports).WaitAsync(cutNow.Token);
            using var reloader = new Reloader(server, file, watcher, logs.CreateLogger(Log.Category), TimeProvider.System);
            using var reload = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
            {
                signal.Cancel = true;
                _ = ReloadAsync(reloader, systemd);
            });
            await using var admin = await AdminEndpoint.StartAsync(config, AdminCalls.Of(server, reloader), logs, tls?.Credentials);
            Announce(context, server);
            server.LogServing();
            transports.WarmUp(config.Endpoints.Select(endpoint => endpoint.Transport), config.StateDirectory, () => server.Places.Taken > 0);
            _ = reloader.FollowAsync();
            systemd.Ready();
            systemd.Watch(() => transports.Move);
            var signal = await stop.Task;
            systemd.Stopping(server.Config.ShutdownDelay + server.Config.ShutdownTimeout + Grace);
            return await reloader.StopAsync(signal, cutNow.Token) > 0 ? Cut : 0;
        }
        catch (StartException problem)
        {
            return context.Fail(problem.Lines);
        }
        catch (OperationCanceledException) when (cutNow.IsCancellationRequested)
        {
            return context.Fail(["stopped before it had started"]);
        }
    }

    private static async Task ReloadAsync(Reloader reloader, SystemdNotify systemd)
    {
        systemd.Reloading();
        await reloader.ReloadAsync();
        systemd.Ready();
    }

    private static ILoggerFactory CreateLogs(LogFormat format, bool isPlain) => LoggerFactory.Create(logging =>
    {
        // A plugin has a level of its own, which may be changed while it runs; what it lets through is written.
        logging.SetMinimumLevel(LogLevel.Trace);
        logging.AddFilter(static (category, level) => category != Log.Category || level >= LogLevel.Information);
        if (format == LogFormat.Json)
        {
            logging.AddJsonConsole(console =>
            {
                console.IncludeScopes = true;
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";
            });
        }
        else
        {
            logging.AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.IncludeScopes = true;
                console.ColorBehavior = isPlain ? LoggerColorBehavior.Disabled : LoggerColorBehavior.Default;
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
            });
        }
    });

    private static void Announce(CommandContext context, Server server)
    {
        context.Report.Line($"PluginServer {StatusReport.Version}, pid {Environment.ProcessId}, {server.Config.File}");
        context.Report.Table(
            ["Endpoint", "Listens on", "Plugin", "Version", "Build", "Handler"],
            [.. server.Endpoints.Select(endpoint =>
            {
                var binding = endpoint.Slot.Current!;
                var generation = binding.Generation;
                return new[] { endpoint.Name, endpoint.Address, generation.Build.Name, generation.Version, generation.Build.ShortHash, binding.Handler };
            })]);
        context.Output.Flush();
    }
}
