using System.Diagnostics;
using NUnit.Framework;
using PluginServer.Plugins;
using PluginServer.Supervision;

namespace PluginServer.Testing;

/// <content>The end of the plugin, and the proof of it.</content>
public sealed partial class PluginHost
{
    /// <summary>How long what is alive may take to go, in real time, once nothing of the host refers to it.</summary>
    private static readonly TimeSpan GoneWithin = TimeSpan.FromSeconds(4);

    /// <summary>A handler that returns by itself gets so much real time for it, before virtual time passes for the host's own deadlines.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(5);

    /// <summary>As <see cref="Grace"/>, for services that start.</summary>
    private static TimeSpan StartGrace => Patience.Length / 2;

    /// <summary>Takes the plugin out of service, cuts its connections and proves that every generation of it can be unloaded. Nothing serves after that.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="AssertionException">A generation stays loaded; the message says what is suspected to hold it, or which handlers or services have not ended.</exception>
    public async Task AssertUnloadsAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        await _one.WaitAsync(cancellationToken);
        try
        {
            var generations = _server.Generations;
            await RetireAsync();
            foreach (var generation in generations)
            {
                await AssertUnloadsAsync(generation, cancellationToken);
            }
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>As an edit that removes the endpoint, with no time for those inside.</summary>
    private async Task RetireAsync()
    {
        var leaving = _server.Running;
        await _server.TryApplyAsync(_server.Config with { Endpoints = [], ShutdownTimeout = TimeSpan.Zero }, new Dictionary<string, PluginBuild>());
        Cut(leaving);
    }

    private static void Cut(IEnumerable<RunningEndpoint> endpoints)
    {
        foreach (var running in endpoints)
        {
            running.Endpoint.Handshakes.Cut();
            running.Endpoint.Connections.Cut("AssertUnloadsAsync has ended it");
        }
    }

    private async Task AssertUnloadsAsync(PluginGeneration generation, CancellationToken cancellationToken)
    {
        var (asked, retired) = (Stopwatch.StartNew(), new Stopwatch());
        while (generation.Context.IsAlive)
        {
            if (generation.State is GenerationState.Active or GenerationState.Draining)
            {
                if (asked.Elapsed > Patience.Length)
                {
                    throw new AssertionException(Stuck(generation));
                }
            }
            else if (retired.Elapsed > GoneWithin)
            {
                throw new AssertionException($"Generation {generation.Number} of plugin {_plugin} stays loaded; suspected: {LeakSuspects.Of(generation.Build)}.");
            }
            else
            {
                retired.Start();
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }

            // What lingers at the end of a connection does so by the host's time.
            _time?.Advance(asked.Elapsed > Grace ? Step : Look);
            await Task.Delay(Look, cancellationToken);
        }
    }

    private string Stuck(PluginGeneration generation) =>
        $"Generation {generation.Number} of plugin {_plugin} cannot be unloaded: " + (generation.Leases > 0
            ? $"{generation.Leases} of its handlers have not returned, {Patience.Length.TotalSeconds} s after their connections were cut."
            : $"its services have not stopped within {Patience.Length.TotalSeconds} s.");

    /// <summary>Who has nobody served any more waits for clients that leave, by its own time.</summary>
    private async Task PassLingerAsync(Task draining)
    {
        while (!draining.IsCompleted)
        {
            if (_server.Inside.All(connection => connection.IsOver))
            {
                _time?.Advance(Step);
            }

            await Task.WhenAny(draining, Task.Delay(Look));
        }

        await draining;
    }

    /// <summary>The host waits by its own time for handlers that do not return and services that do not start.</summary>
    private static async Task PassTimeUntilAsync(Task task, VirtualTime? time, TimeSpan grace)
    {
        var watch = Stopwatch.StartNew();
        while (!task.IsCompleted)
        {
            if (watch.Elapsed > grace)
            {
                time?.Advance(Step);
            }

            await Task.WhenAny(task, Task.Delay(Look));
        }

        await task;
    }
}
