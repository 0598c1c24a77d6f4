using System.Net.Sockets;
using PluginServer.Diagnostics;
using PluginServer.Networking;

namespace PluginServer.Supervision;

/// <content>One accept loop: what it does next, and what the death of its acceptor means for the endpoint.</content>
internal sealed partial class Supervisor
{
    private static readonly TimeSpan Healthy = TimeSpan.FromSeconds(10);

    /// <summary>The present listening socket, once an acceptor has died of it.</summary>
    private Listener? _broken;

    private async Task KeepAcceptingAsync(int loop)
    {
        while (Next(loop) is { } step)
        {
            await step();
        }
    }

    /// <summary>What a loop does next; null when it is surplus.</summary>
    private Func<Task>? Next(int loop)
    {
        lock (_gate)
        {
            if (loop >= _wanted)
            {
                _loops.Remove(loop);
                return null;
            }

            if (_stop is null)
            {
                var go = _go.Task;
                return () => go;
            }

            var stop = _stop.Token;
            if (_intensity.Wait is var wait && wait > TimeSpan.Zero)
            {
                return async () => await Task.Delay(wait, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            if (!TryMend())
            {
                return () => Task.CompletedTask;
            }

            _accepting++;
            var (listener, retry, cut) = (endpoint.Listener, _intensity.HasFailed, _cut.Token);
            return () => AcceptAsync(listener, retry, stop, cut);
        }
    }

    private async Task AcceptAsync(Listener listener, bool retry, CancellationToken stop, CancellationToken cut)
    {
        var error = "it ended by itself";
        var broken = false;
        try
        {
            var acceptor = create();
            var accepting = acceptor.RunAsync(stop, cut);
            await (retry ? ProveAsync(acceptor, accepting, stop) : Task.CompletedTask);
            await accepting;
        }
        catch (SocketException fault)
        {
            broken = true;
            error = $"its listening socket is broken ({fault.SocketErrorCode}) and is opened anew";
        }
        catch (Exception fault)
        {
            error = fault.ToString();
        }

        lock (_gate)
        {
            // Where the socket broke, all its acceptors die: one death.
            if (!stop.IsCancellationRequested && listener != _broken && listener == endpoint.Listener)
            {
                _broken = broken ? listener : null;
                Died(error);
            }

            if (--_accepting == 0)
            {
                _idle?.TrySetResult();
                _idle = null;
            }
        }
    }

    /// <summary>A failed endpoint has recovered when an acceptor has served somebody, or held for a while.</summary>
    private async Task ProveAsync(Acceptor acceptor, Task accepting, CancellationToken stop)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        await Task.WhenAny(accepting, acceptor.HasServed, Task.Delay(Healthy, time, over.Token));
        lock (_gate)
        {
            if (!stop.IsCancellationRequested && (acceptor.HasServed.IsCompleted || !accepting.IsCompleted) && _intensity.HasFailed)
            {
                _intensity.Reset();
                Log.EndpointRecovered(telemetry.Log, endpoint.Name, endpoint.Address);
                telemetry.Events.Publish(HostEventKind.Recovered, "accepts again", endpoint: endpoint.Name);
            }
        }

        await over.CancelAsync();
    }

    /// <summary>Opens a listening socket that broke anew; false when that failed.</summary>
    private bool TryMend()
    {
        if (_broken is null)
        {
            return true;
        }

        try
        {
            endpoint.Reopen();
            _broken = null;
            Log.ListenerReopened(telemetry.Log, endpoint.Name, endpoint.Address);
            return true;
        }
        catch (Exception error)
        {
            Died(error is ListenException ? error.Message : error.ToString());
            return false;
        }
    }

    private void Died(string error)
    {
        endpoint.Counters.Plugin.CountAcceptorRestart();
        if (!_intensity.Count())
        {
            return;
        }

        if (_intensity.HasFailed)
        {
            Log.EndpointFailed(telemetry.Log, endpoint.Name, endpoint.Address, _intensity.Wait, error);
            telemetry.Events.Publish(HostEventKind.Failed, $"is tried again in {_intensity.Wait}: {FaultText.FirstLine(error)}", endpoint: endpoint.Name);
        }
        else
        {
            Log.AcceptorReplaced(telemetry.Log, endpoint.Name, _intensity.Wait, error);
        }
    }
}
