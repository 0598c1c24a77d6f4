using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;
using PluginServer.Diagnostics;
using PluginServer.Networking;

namespace PluginServer.Administration;

/// <summary>Tells systemd how the host is, where it wants to know; see sd_notify(3). Whatever becomes of a message, the host goes on.</summary>
/// <remarks>A path and an abstract name are spoken to. The third kind, "vsock:", by which a virtual machine tells the machine around it, is not
/// supported.</remarks>
internal sealed class SystemdNotify(string? address, TimeSpan? watchdogPeriod, TimeProvider time, ILogger log) : IDisposable
{
    /// <summary>In characters: systemd ignores a message of more than 4096 bytes, and a character is three at most.</summary>
    private const int LongestStatus = 1000;

    /// <summary>In milliseconds: the manager's queue is short, and a manager that hangs must not hang the host.</summary>
    private const int Patience = 1000;
    private int _hasFailed;
    private SystemdWatchdog? _watchdog;

    /// <summary>Of this process: to be called once, before anything starts a child.</summary>
    public static SystemdNotify OfProcess(TimeProvider time, ILogger log) => Read(SystemdVariables.Take, Environment.ProcessId, time, log);

    /// <summary>Reads what systemd wants to hear.</summary>
    /// <param name="take">The value of a variable, which is not set any more then.</param>
    /// <param name="processId">For whom the watchdog must be meant.</param>
    /// <param name="time">For the watchdog.</param>
    /// <param name="log">For what cannot be told.</param>
    public static SystemdNotify Read(Func<string, string?> take, int processId, TimeProvider time, ILogger log)
    {
        var (address, period, watched) = (take("NOTIFY_SOCKET"), take("WATCHDOG_USEC"), take("WATCHDOG_PID"));
        var isWatched = !string.IsNullOrEmpty(period) && (string.IsNullOrEmpty(watched) || watched == processId.ToString(CultureInfo.InvariantCulture));
        return new SystemdNotify(string.IsNullOrEmpty(address) ? null : address, isWatched ? PeriodOf(period!, log) : null, time, log);
    }

    /// <summary>Everything serves: after the start, and after a reload.</summary>
    public void Ready() => Send("READY=1");

    /// <summary>A reload begins, which ends with <see cref="Ready"/>, also when it is rejected.</summary>
    public void Reloading() => Send(string.Create(CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={Libc.MonotonicTime()}"));

    /// <summary>The host stops, which takes no longer than this; so TimeoutStopSec= need not know what plugins.json says.</summary>
    public void Stopping(TimeSpan longest) => Send(string.Create(CultureInfo.InvariantCulture, $"STOPPING=1\nEXTEND_TIMEOUT_USEC={(long)longest.TotalMicroseconds}"));

    /// <summary>One line that <c>systemctl status</c> shows.</summary>
    public void Status(string text)
    {
        var line = text.ReplaceLineEndings(" ");
        Send($"STATUS={(line.Length <= LongestStatus ? line : line[..LongestStatus])}");
    }

    /// <summary>From now on systemd is told twice in each of its periods that the host is alive, as long as it is; where it wants to know.</summary>
    /// <param name="isAlive">Cheap; asked on the thread pool, so one that is stuck counts as dead too.</param>
    public void Watch(Func<bool> isAlive)
    {
        if (address is not null && watchdogPeriod is { } period)
        {
            _watchdog ??= new SystemdWatchdog(period / 2, isAlive, () => Send("WATCHDOG=1"), time, log);
        }
    }

    /// <summary>Ends the pings.</summary>
    public void Dispose() => _watchdog?.Dispose();

    private static TimeSpan? PeriodOf(string text, ILogger log)
    {
        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var period) && period > 0)
        {
            // A timer takes no more than 49 days.
            return TimeSpan.FromMicroseconds(Math.Min(period, (long)TimeSpan.FromDays(1).TotalMicroseconds));
        }

        Log.SystemdUnreachable(log, $"WATCHDOG_USEC is '{text}', which is no number of microseconds");
        return null;
    }

    private void Send(string message)
    {
        if (address is null)
        {
            return;
        }

        try
        {
            // A socket for each message, as sd_notify(3) does: there are few, and the manager may have been restarted since the last.
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { SendTimeout = Patience };
            socket.Connect(EndPointOf(address));
            socket.Send(Encoding.UTF8.GetBytes(message));
        }
        catch (Exception error) when (error is SocketException or ArgumentException)
        {
            if (Interlocked.Exchange(ref _hasFailed, 1) == 0)
            {
                Log.SystemdUnreachable(log, $"NOTIFY_SOCKET is '{address}': {(error is SocketException fault ? fault.SocketErrorCode : error.Message)}");
            }
        }
    }

    /// <exception cref="ArgumentException">It is none that this can speak to.</exception>
    private static UnixDomainSocketEndPoint EndPointOf(string address) => address[0] switch
    {
        '/' => new UnixDomainSocketEndPoint(address),
        '@' => new UnixDomainSocketEndPoint('\0' + address[1..]),
        _ => throw new ArgumentException("only a path and an abstract name (\"@name\") are supported"),
    };
}
