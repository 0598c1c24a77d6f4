using Microsoft.Extensions.Logging;
using PluginServer.Configuration;
using PluginServer.Diagnostics;

namespace PluginServer.Plugins;

/// <summary>Which threads run the handlers of one generation: the socket loop, or threads of its own, always or for as long as they keep blocking.</summary>
internal sealed class HandlerDispatch
{
    /// <summary>A generation that blocks the loop more often than this within <see cref="Window"/> is demoted to threads of its own.</summary>
    public const int BlocksAllowed = 20;

    public static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    /// <summary>After so long without blocking it is promoted to the loop again.</summary>
    public static readonly TimeSpan Quiet = TimeSpan.FromMinutes(1);

    /// <summary>Work that keeps its thread no longer than this would not have blocked the loop. Above a tick of its monitor: threads of their own are preempted, too.</summary>
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(10);

    private readonly Lock _gate = new();
    private readonly Queue<long> _blocks = new();
    private readonly string _plugin;
    private readonly int _generation;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly GenerationThreads _threads;
    private volatile bool _demoted;
    private long _lastBlock;

    public HandlerDispatch(string plugin, int generation, DispatchKind kind, TimeProvider time, ILogger log)
    {
        _plugin = plugin;
        _generation = generation;
        _time = time;
        _log = log;
        Kind = kind;
        _threads = new GenerationThreads($"{plugin} {generation}", () => IsOwn, Ran);
    }

    /// <summary>As configured.</summary>
    public DispatchKind Kind { get; }

    public int Threads => _threads.Threads;

    /// <summary>Whether handlers are to go on on threads of the generation's own.</summary>
    public bool IsOwn => Kind == DispatchKind.Own || (_demoted && !TryPromote());

    /// <summary>Runs it on a thread of the generation's own.</summary>
    public void Run(SendOrPostCallback work, object? state) => _threads.Run(work, state);

    /// <summary>A handler has kept the loop's thread, and somebody else had to take over.</summary>
    public void Blocked(string handler)
    {
        lock (_gate)
        {
            var now = _time.GetTimestamp();
            Volatile.Write(ref _lastBlock, now);
            while (_blocks.TryPeek(out var first) && _time.GetElapsedTime(first, now) > Window)
            {
                _blocks.Dequeue();
            }

            _blocks.Enqueue(now);
            if (Kind != DispatchKind.Auto || _demoted || _blocks.Count <= BlocksAllowed)
            {
                return;
            }

            _blocks.Clear();
            _demoted = true;
        }

        Log.GenerationDemoted(_log, _plugin, _generation, handler, BlocksAllowed, Window.TotalSeconds);
    }

    private void Ran(TimeSpan took)
    {
        if (took > Short)
        {
            Volatile.Write(ref _lastBlock, _time.GetTimestamp());
        }
    }

    private bool TryPromote()
    {
        if (_time.GetElapsedTime(Volatile.Read(ref _lastBlock)) < Quiet)
        {
            return false;
        }

        lock (_gate)
        {
            if (!_demoted || _time.GetElapsedTime(_lastBlock) < Quiet || _threads.LongestInside > Short)
            {
                return !_demoted;
            }

            _demoted = false;
        }

        Log.GenerationPromoted(_log, _plugin, _generation, Quiet.TotalSeconds);
        return true;
    }
}
