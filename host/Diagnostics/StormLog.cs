using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace PluginServer.Diagnostics;

/// <summary>Keeps a storm of equal events to one line a second: the first is written as it is, the others are counted, and the
/// count is written when the second is over.</summary>
/// <remarks>A cause is forgotten once it has been quiet for a second.</remarks>
internal sealed class StormLog(ILogger log, EventStream events, TimeProvider time) : IDisposable
{
    /// <summary>How many causes are told apart at a time; a plugin chooses what its exceptions are called.</summary>
    public const int MostCauses = 256;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<StormCause, Storm> _storms = new();

    /// <summary>How many causes are remembered now.</summary>
    public int Causes => _storms.Count;

    /// <summary>Whether the caller may write the line of this event now; otherwise it is counted.</summary>
    public bool Admits(StormCause cause)
    {
        while (true)
        {
            if (_storms.TryGetValue(cause, out var storm))
            {
                if (storm.TryCount())
                {
                    return false;
                }

                // Forgotten at this moment: it is the first again.
                continue;
            }

            if (_storms.Count >= MostCauses && cause.Kind != KindCounter.Others)
            {
                cause = cause with { Kind = KindCounter.Others };
                continue;
            }

            storm = new Storm();
            if (_storms.TryAdd(cause, storm))
            {
                Watch(cause, storm);
                return true;
            }
        }
    }

    /// <summary>Writes what is still counted.</summary>
    public void Dispose()
    {
        foreach (var (cause, storm) in _storms)
        {
            storm.Timer?.Dispose();
            Report(cause, storm.Take());
            End(cause, storm);
        }
    }

    private void Watch(StormCause cause, Storm storm) =>
        storm.Timer = time.CreateTimer(_ => Look(cause, storm), null, Interval, Timeout.InfiniteTimeSpan);

    private void Look(StormCause cause, Storm storm)
    {
        if (!End(cause, storm))
        {
            Report(cause, storm.Take());
            Watch(cause, storm);
        }
    }

    private bool End(StormCause cause, Storm storm) => storm.TryEnd() && _storms.TryRemove(KeyValuePair.Create(cause, storm));

    private void Report(StormCause cause, long count)
    {
        if (count > 0)
        {
            Log.Repeated(log, cause.Plugin is null ? $"Endpoint {cause.Endpoint}" : $"Plugin {cause.Plugin}", count, cause.Event, cause.Kind);
            if (cause.Event == StormCause.HandlerFault)
            {
                events.Publish(HostEventKind.Fault, $"{count} times more: {cause.Kind}", endpoint: cause.Endpoint);
            }
        }
    }

    /// <summary>One cause while it goes on: how many were held back, or that it is over.</summary>
    private sealed class Storm
    {
        private const long Over = -1;
        private long _heldBack;

        public ITimer? Timer { get; set; }

        public bool TryCount()
        {
            while (true)
            {
                var count = Interlocked.Read(ref _heldBack);
                if (count == Over)
                {
                    return false;
                }

                if (Interlocked.CompareExchange(ref _heldBack, count + 1, count) == count)
                {
                    return true;
                }
            }
        }

        /// <summary>Only when nothing is held back.</summary>
        public bool TryEnd() => Interlocked.CompareExchange(ref _heldBack, Over, 0) == 0;

        public long Take()
        {
            while (true)
            {
                var count = Interlocked.Read(ref _heldBack);
                if (count == Over || Interlocked.CompareExchange(ref _heldBack, 0, count) == count)
                {
                    return Math.Max(count, 0);
                }
            }
        }
    }
}

/// <summary>What makes two log events equal.</summary>
/// <param name="Event">In a few words.</param>
/// <param name="Endpoint">Where.</param>
/// <param name="Kind">The kind of error.</param>
internal readonly record struct StormCause(string Event, string Endpoint, string Kind)
{
    /// <summary>The event of an exception that a handler let escape.</summary>
    public const string HandlerFault = "handler fault";

    private const int LongestKind = 100;

    /// <summary>Where, if it is no endpoint's: a plugin and its generation.</summary>
    public string? Plugin { get; init; }

    /// <summary>As <see cref="Of"/>, of what is no endpoint's.</summary>
    public static StormCause OfPlugin(string @event, string plugin, string exception) => Of(@event, "", exception) with { Plugin = plugin };

    /// <summary>Of an exception's text, the kind is the exception's type: what comes before its message.</summary>
    public static StormCause Of(string @event, string endpoint, string exception)
    {
        var type = exception.AsSpan(0, Math.Min(exception.Length, LongestKind));
        var end = type.IndexOfAny(":\r\n");
        return new StormCause(@event, endpoint, (end < 0 ? type : type[..end]).ToString());
    }
}
