namespace PluginServer.Networking;

/// <summary>The host's blocks: rented while a connection holds bytes, kept up to a bound when none does.</summary>
internal sealed class BlockPool
{
    /// <summary>8 MiB; what a burst needs beyond it is left to the garbage collector.</summary>
    private const int Kept = 256;

    /// <summary>2 MiB.</summary>
    private const int SmallKept = 4096;

    private readonly Lock _gate = new();
    private readonly Block[] _free = new Block[Kept];
    private readonly Stack<Block> _small = new();

    /// <summary>The one that came back last: a loop that answers one message after the other needs no other, and no lock.</summary>
    private Block? _last;
    private int _count;
    private int _rented;

    /// <summary>How many blocks are out.</summary>
    public int Rented => Volatile.Read(ref _rented);

    /// <summary>A block of <see cref="Block.Size"/>, or a larger one of its own when that is not enough.</summary>
    public Block Rent(int atLeast = 0)
    {
        Interlocked.Increment(ref _rented);
        if (atLeast > Block.Size)
        {
            return new Block(atLeast);
        }

        if (Interlocked.Exchange(ref _last, null) is { } last)
        {
            return last;
        }

        lock (_gate)
        {
            if (_count > 0)
            {
                return _free[--_count];
            }
        }

        return new Block(Block.Size);
    }

    /// <summary>A block of <see cref="Block.SmallSize"/>.</summary>
    public Block RentSmall()
    {
        Interlocked.Increment(ref _rented);
        lock (_gate)
        {
            return _small.TryPop(out var block) ? block : new Block(Block.SmallSize);
        }
    }

    public void Return(Block block)
    {
        Interlocked.Decrement(ref _rented);
        block.Clear();
        if (block.IsSmall)
        {
            lock (_gate)
            {
                if (_small.Count < SmallKept)
                {
                    _small.Push(block);
                }
            }
        }
        else if (block.Bytes.Length == Block.Size && Interlocked.Exchange(ref _last, block) is { } before)
        {
            lock (_gate)
            {
                if (_count < Kept)
                {
                    _free[_count++] = before;
                }
            }
        }
    }

    /// <summary>Gives up a block that somebody may still look at or write to: it is never used for another connection.</summary>
    public void Drop(Block block)
    {
        _ = block;
        Interlocked.Decrement(ref _rented);
    }
}
