using Microsoft.Extensions.Logging;
using PluginServer.Diagnostics;

namespace PluginServer.Administration;

/// <summary>Pings every interval, as long as the host is alive.</summary>
internal sealed class SystemdWatchdog : IDisposable
{
    private readonly TimeSpan _interval;
    private readonly Func<bool> _isAlive;
    private readonly Action _ping;
    private readonly ILogger _log;
    private readonly ITimer _timer;
    private bool _wasAlive = true;

    public SystemdWatchdog(TimeSpan interval, Func<bool> isAlive, Action ping, TimeProvider time, ILogger log)
    {
        _interval = interval;
        _isAlive = isAlive;
        _ping = ping;
        _log = log;
        _timer = time.CreateTimer(static watchdog => ((SystemdWatchdog)watchdog!).Look(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(interval, Timeout.InfiniteTimeSpan);
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        var why = WhyDead();
        if (why is null)
        {
            _ping();
        }
        else if (_wasAlive)
        {
            Log.WatchdogSilent(_log, why);
        }

        _wasAlive = why is null;

        // Not a period: a look that takes long must not meet itself.
        _timer.Change(_interval, Timeout.InfiniteTimeSpan);
    }

    private string? WhyDead()
    {
        try
        {
            return _isAlive() ? null : "it does not move any more";
        }
        catch (Exception error)
        {
            return error.ToString();
        }
    }
}
