using System.Collections.Concurrent;
using System.Diagnostics.Tracing;

namespace PluginServer.Tests.Support;

/// <summary>The full collections that stopped the process from their start to their end, each with what the runtime says was its reason.</summary>
/// <remarks>
/// <see cref="GCMemoryInfo"/> tells only of the last one. The event is GCStart_V2 of the runtime's provider, which comes a while after:
/// https://learn.microsoft.com/dotnet/fundamentals/diagnostics/runtime-garbage-collection-events
/// </remarks>
internal sealed class BlockingCollections : EventListener
{
    private const EventKeywords Collections = (EventKeywords)0x1;
    private const uint NotConcurrent = 0;
    private static readonly string[] Reasons = ["small object allocation", "induced", "low memory", "empty", "large object allocation", "out of space (small)", "out of space (large)", "induced, not forced", "stress", "low memory, blocking", "induced, compacting"];
    private readonly ConcurrentQueue<(long Index, string Reason)> _blocking = new();
    private long _last;

    /// <summary>The number of the last collection of any kind.</summary>
    public static long Last => GC.GetGCMemoryInfo(GCKind.Any).Index;

    /// <summary>The reasons of those after the one and up to the other; waits until that of a later collection is known.</summary>
    public async Task<IEnumerable<string>> BetweenAsync(long after, long upTo)
    {
        await Deadline.UntilAsync(() => Volatile.Read(ref _last) > upTo, "events of the collections");
        return _blocking.Where(collection => collection.Index > after && collection.Index <= upTo).Select(collection => collection.Reason);
    }

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == "Microsoft-Windows-DotNETRuntime")
        {
            EnableEvents(eventSource, EventLevel.Informational, Collections);
        }
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        if (eventData is { EventName: "GCStart_V2", Payload: [uint index, uint depth, uint reason, uint type, ..] })
        {
            if (depth == (uint)GC.MaxGeneration && type == NotConcurrent)
            {
                _blocking.Enqueue((index, reason < Reasons.Length ? Reasons[reason] : $"reason {reason}"));
            }

            Volatile.Write(ref _last, index);
        }
    }
}
