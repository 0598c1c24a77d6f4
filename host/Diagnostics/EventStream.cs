using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace PluginServer.Diagnostics;

/// <summary>What has happened to the host as a whole, in order: the last ones are kept, and whoever follows gets each as it comes.</summary>
/// <remarks>Plain data only, so it keeps no plugin alive. Any thread.</remarks>
internal sealed class EventStream(TimeProvider time)
{
    /// <summary>How many a follower who comes late still sees.</summary>
    public const int Kept = 200;

    private readonly Lock _gate = new();
    private ImmutableQueue<HostEvent> _last = [];
    private ImmutableList<ChannelWriter<HostEvent>> _followers = [];
    private long _number;

    /// <summary>The last ones, the oldest first.</summary>
    public IEnumerable<HostEvent> Last => _last;

    /// <summary>How many follow now.</summary>
    public int Followers => _followers.Count;

    public void Publish(HostEventKind kind, string text, string? plugin = null, int? generation = null, string? endpoint = null)
    {
        lock (_gate)
        {
            var happened = new HostEvent(++_number, time.GetUtcNow(), kind, text, plugin, generation, endpoint);
            _last = _last.Enqueue(happened);
            if (_number > Kept)
            {
                _last = _last.Dequeue();
            }

            _followers.ForEach(follower => follower.TryWrite(happened));
        }
    }

    /// <summary>The last ones after a number, and from there on each as it happens, without a repetition. Somebody who does not keep up
    /// loses the oldest, and can tell by the numbers.</summary>
    /// <exception cref="OperationCanceledException">Cancelled: the only end.</exception>
    public async IAsyncEnumerable<HostEvent> FollowAsync(long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var channel = Channel.CreateBounded<HostEvent>(new BoundedChannelOptions(Kept) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
        lock (_gate)
        {
            // A number of a host before this one says nothing.
            after = after > _number ? 0 : after;
            foreach (var happened in _last.Where(happened => happened.Number > after))
            {
                channel.Writer.TryWrite(happened);
            }

            _followers = _followers.Add(channel.Writer);
        }

        try
        {
            await foreach (var happened in channel.Reader.ReadAllAsync(cancellationToken))
            {
                yield return happened;
            }
        }
        finally
        {
            lock (_gate)
            {
                _followers = _followers.Remove(channel.Writer);
            }
        }
    }
}

/// <summary>One thing that happened.</summary>
/// <param name="Number">Counts from 1, without gaps.</param>
/// <param name="At">When.</param>
/// <param name="Kind">What kind of thing.</param>
/// <param name="Text">For a person.</param>
/// <param name="Plugin">The plugin it is about, if it is about one.</param>
/// <param name="Generation">And its generation.</param>
/// <param name="Endpoint">The endpoint it is about, if it is about one.</param>
internal sealed record HostEvent(long Number, DateTimeOffset At, HostEventKind Kind, string Text, string? Plugin, int? Generation, string? Endpoint);

/// <summary>The kinds of things that happen to a host.</summary>
internal enum HostEventKind
{
    /// <summary>A configuration, or builds, were put in force: a new revision.</summary>
    Applied,

    /// <summary>They were refused, and what ran before goes on.</summary>
    Rejected,

    /// <summary>A generation serves new connections in the place of another.</summary>
    Swapped,

    /// <summary>A replaced generation has lost its last connection and stopped its services.</summary>
    Retired,

    /// <summary>Its load context was collected.</summary>
    Unloaded,

    /// <summary>It was not.</summary>
    Leaked,

    /// <summary>A person went back to the build before.</summary>
    RolledBack,

    /// <summary>A handler let an exception escape; of a storm, the first, and once a second how many more.</summary>
    Fault,

    /// <summary>An endpoint should accept and cannot.</summary>
    Failed,

    /// <summary>It accepts again.</summary>
    Recovered,

    /// <summary>A person had an endpoint stop accepting.</summary>
    Paused,

    /// <summary>And accept again.</summary>
    Resumed,

    /// <summary>Those inside were asked to finish, and have, or were cut.</summary>
    Drained,

    /// <summary>A person had a connection cut.</summary>
    Cut,

    /// <summary>The host stops.</summary>
    Stopping,
}
