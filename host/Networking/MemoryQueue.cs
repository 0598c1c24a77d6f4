namespace PluginServer.Networking;

/// <summary>Bytes on their way in one direction, in a ring that grows up to a limit. Its owner sees to it that one thread at a time uses it.</summary>
internal sealed class MemoryQueue(int limit)
{
    private const int Smallest = 4096;
    private byte[] _ring = [];
    private int _start;

    public int Count { get; private set; }

    /// <summary>All that were ever put in.</summary>
    public long Arrived { get; private set; }

    /// <summary>All that were ever taken out.</summary>
    public long Taken => Arrived - Count;

    /// <summary>How many of them had room.</summary>
    public int Append(ReadOnlySpan<byte> source)
    {
        var count = Math.Min(source.Length, limit - Count);
        Grow(Count + count);
        var end = _ring.Length == 0 ? 0 : (_start + Count) % _ring.Length;
        var first = Math.Min(count, _ring.Length - end);
        source[..first].CopyTo(_ring.AsSpan(end));
        source[first..count].CopyTo(_ring);
        Count += count;
        Arrived += count;
        return count;
    }

    public int Take(Span<byte> target)
    {
        var count = Math.Min(target.Length, Count);
        var first = Math.Min(count, _ring.Length - _start);
        _ring.AsSpan(_start, first).CopyTo(target);
        _ring.AsSpan(0, count - first).CopyTo(target[first..]);
        Count -= count;
        _start = Count == 0 ? 0 : (_start + count) % _ring.Length;
        return count;
    }

    /// <summary>Nobody will take them: they count as on their way no more, and the ring is let go of.</summary>
    public void Drop()
    {
        Arrived -= Count;
        (Count, _start, _ring) = (0, 0, []);
    }

    private void Grow(int needed)
    {
        if (needed <= _ring.Length)
        {
            return;
        }

        var larger = new byte[Math.Min(limit, Math.Max(Smallest, Math.Max(needed, _ring.Length * 2)))];
        var first = Math.Min(Count, _ring.Length - _start);
        _ring.AsSpan(_start, first).CopyTo(larger);
        _ring.AsSpan(0, Count - first).CopyTo(larger.AsSpan(first));
        (_ring, _start) = (larger, 0);
    }
}
