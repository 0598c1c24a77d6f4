using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PluginServer.Configuration;
using PluginServer.Diagnostics;

namespace PluginServer.Plugins;

/// <summary>The life of a loaded build, in the words of status.</summary>
internal enum GenerationState
{
    /// <summary>Serves new connections, or is about to.</summary>
    Active,

    /// <summary>Replaced; its connections go on.</summary>
    Draining,

    /// <summary>Its last connection has ended; the load context is not collected yet.</summary>
    Unloading,

    /// <summary>The load context was really collected.</summary>
    Unloaded,

    /// <summary>It was not, within <see cref="PluginGeneration.LeakAfter"/>.</summary>
    Leaked,
}

/// <summary>One loaded build of a plugin: its leases while it serves, and the proof that it is gone afterwards.</summary>
/// <remarks>It outlives what it describes, so all it keeps of the plugin is in one field, emptied before the unload.</remarks>
internal sealed class PluginGeneration
{
    /// <summary>How long a collection may take before the generation counts as leaked.</summary>
    public static readonly TimeSpan LeakAfter = TimeSpan.FromSeconds(30);

    private const int Retired = 1 << 30;

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan CollectInterval = TimeSpan.FromSeconds(2);

    private readonly TaskCompletionSource _lastLeaseReturned = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly EventStream _events;
    private readonly StrayFaults _faults;
    private volatile HandlerDispatch _dispatch;
    private readonly PluginLoggerProvider? _logs;
    private LoadedPlugin? _loaded;
    private readonly Lock _gate = new();
    private Task? _retirement;

    /// <summary>A timestamp; 0 while it is not.</summary>
    private long _goneAt;

    /// <summary>The number of leases, with <see cref="Retired"/> added: one word, so that no lease is granted or counted between
    /// the two questions "was that the last one?" and "is it retired?".</summary>
    private int _state;

    public PluginGeneration(int number, PluginInspection inspection, ConfigSettings settings, LoadedPlugin? loaded, TimeProvider time, ILogger log, EventStream events)
    {
        Number = number;
        Inspection = inspection;
        Settings = settings;
        LoadedAt = time.GetUtcNow();
        Context = loaded?.ContextReference ?? new WeakReference(null);
        _faults = loaded?.Faults ?? new StrayFaults(Build.Name, number, log, telemetry: null);
        _loaded = loaded;
        _logs = loaded?.Logs;
        _time = time;
        _log = log;
        _events = events;
        _dispatch = new HandlerDispatch(Build.Name, number, DispatchKind.Auto, time, log);
    }

    /// <summary>A generation of code that is the host's own: nothing is loaded for it, and it is never retired.</summary>
    public static PluginGeneration OfHost(string name, TimeProvider time) =>
        new(1, new PluginInspection { Build = new PluginBuild(name, "", "", ""), Problems = [] }, ConfigSettings.None, null, time, NullLogger.Instance, new EventStream(time));

    /// <summary>From 1, counted per plugin.</summary>
    public int Number { get; }

    /// <summary>What its metadata says: texts, nothing of the plugin's own.</summary>
    public PluginInspection Inspection { get; }

    public PluginBuild Build => Inspection.Build;

    public string Version => Inspection.Version;

    /// <summary>The plugin's settings that it was loaded with.</summary>
    public ConfigSettings Settings { get; }

    public DateTimeOffset LoadedAt { get; }

    /// <summary>What it took to be ready to serve: the load, its services, the warm-up.</summary>
    public TimeSpan LoadTime { get; set; }

    /// <summary>Dead once the load context has been collected.</summary>
    public WeakReference Context { get; }

    public GenerationState State { get; private set; } = GenerationState.Active;

    /// <summary>Since its load context was collected; null while it is not.</summary>
    public TimeSpan? GoneFor => Volatile.Read(ref _goneAt) is var at and not 0 ? _time.GetElapsedTime(at) : null;

    /// <summary>When its connections are cut, once it is replaced with a drainTimeout.</summary>
    public DateTimeOffset? DrainDeadline { get; private set; }

    /// <summary>Ends when it is retired and the last connection has given its lease back.</summary>
    public Task LastLeaseReturned => _lastLeaseReturned.Task;

    /// <summary>What may hold its load context, once it has leaked.</summary>
    public string? Leak { get; private set; }

    /// <summary>Exceptions that it let escape outside of its handlers.</summary>
    public long StrayFaults => _faults.Count;

    /// <summary>Connections that hold it.</summary>
    public int Leases => Volatile.Read(ref _state) & ~Retired;

    /// <summary>What is loaded; only before <see cref="RetireAsync"/>.</summary>
    public LoadedPlugin Loaded => _loaded ?? throw new ObjectDisposedException(nameof(PluginGeneration));

    /// <summary>Which threads run the handlers of connections that come now.</summary>
    public HandlerDispatch Dispatch => _dispatch;

    /// <summary>For connections that come from now on.</summary>
    public void DispatchBy(DispatchKind kind)
    {
        if (kind != _dispatch.Kind)
        {
            _dispatch = new HandlerDispatch(Build.Name, Number, kind, _time, _log);
        }
    }

    /// <summary>Whether its code writes to the log.</summary>
    public bool Logs => _logs is { IsUsed: true };

    /// <summary>The least severe of its log entries that are written from now on.</summary>
    public void LogFrom(LogLevel level) => _logs?.Level = level;

    /// <summary>From now on its connections are to be told; set before they are looked for, and looked at after one is added.</summary>
    public void DrainUntil(DateTimeOffset deadline) => DrainDeadline = deadline;

    /// <summary>False once the generation is retired: its successor is in place.</summary>
    public bool TryLease()
    {
        var state = Volatile.Read(ref _state);
        while ((state & Retired) == 0)
        {
            var seen = Interlocked.CompareExchange(ref _state, state + 1, state);
            if (seen == state)
            {
                return true;
            }

            state = seen;
        }

        return false;
    }

    public void ReturnLease()
    {
        if (Interlocked.Decrement(ref _state) == Retired)
        {
            _lastLeaseReturned.TrySetResult();
        }
    }

    /// <summary>Grants no more leases, waits for the last one, stops and disposes what the plugin made, unloads once, and
    /// ends when the load context has been collected. Every call returns the same task; it never fails.</summary>
    public Task RetireAsync()
    {
        lock (_gate)
        {
            return _retirement ??= RetireOnceAsync();
        }
    }

    /// <summary>Stops and disposes what the plugin made, whoever is still inside: the host is about to end.</summary>
    public Task StopAsync() => _loaded?.StopAsync() ?? Task.CompletedTask;

    private async Task RetireOnceAsync()
    {
        State = GenerationState.Draining;
        if (Interlocked.Or(ref _state, Retired) == 0)
        {
            _lastLeaseReturned.TrySetResult();
        }

        await _lastLeaseReturned.Task;
        await Loaded.StopAsync();
        State = GenerationState.Unloading;
        _events.Publish(HostEventKind.Retired, "has no connection any more and its services are stopped", Build.Name, Number);
        Unload();
        await ProveUnloadedAsync();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Unload()
    {
        var loaded = Interlocked.Exchange(ref _loaded, null)!;
        CacheSweep.Run();
        loaded.Unload();
    }

    private async Task ProveUnloadedAsync()
    {
        var started = _time.GetTimestamp();
        var collected = started;
        while (Context.IsAlive)
        {
            // Natural collections usually do it; a host without traffic has none, so it is helped, never by a blocking one.
            if (_time.GetElapsedTime(collected) >= CollectInterval)
            {
                BackgroundCollection.Start();
                collected = _time.GetTimestamp();
            }

            if (State == GenerationState.Unloading && _time.GetElapsedTime(started) >= LeakAfter)
            {
                Leak = LeakSuspects.Of(Build);
                State = GenerationState.Leaked;
                Log.GenerationLeaked(_log, Build.Name, Number, LeakAfter.TotalSeconds, Leak);
                _events.Publish(HostEventKind.Leaked, Leak, Build.Name, Number);
            }

            await Task.Delay(PollInterval, _time);
        }

        Leak = null;
        Volatile.Write(ref _goneAt, _time.GetTimestamp());
        State = GenerationState.Unloaded;
        Log.GenerationUnloaded(_log, Build.Name, Number, _time.GetElapsedTime(started).TotalSeconds);
        _events.Publish(HostEventKind.Unloaded, "its load context was collected", Build.Name, Number);
    }
}
