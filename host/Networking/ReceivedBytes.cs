using System.Buffers;

namespace PluginServer.Networking;

/// <summary>What was received and not consumed: a chain of blocks, and the positions that a handler names in it.</summary>
internal sealed class ReceivedBytes(BlockPool pool)
{
    private Block? _head;
    private Block? _tail;

    /// <summary>How much of the head is consumed.</summary>
    private int _start;

    public bool IsEmpty => _head is null;

    public ReadOnlySequence<byte> Sequence =>
        _head is { } head && _tail is { } tail ? new ReadOnlySequence<byte>(head, _start, tail, tail.End) : ReadOnlySequence<byte>.Empty;

    /// <summary>The block that the next bytes go to: the last one, or a rented one that is not part of the chain yet.</summary>
    /// <remarks>What lies in a small block moves to the front of a large one, so that a message stays in one piece.</remarks>
    /// <param name="room">How much room it has at least.</param>
    public Block NextBlock(int room = 1)
    {
        if (_tail is { IsSmall: true } small)
        {
            var large = pool.Rent();
            small.Bytes.Slice(_start, small.End - _start).CopyTo(large.Bytes);
            large.End = small.End - _start;
            return large;
        }

        return _tail is { } tail && tail.Room >= room ? tail : pool.Rent();
    }

    /// <summary>A reader waits, perhaps for long: the beginning of a message that it has seen needs no large block.</summary>
    public void Shrink()
    {
        if (_head is { IsSmall: false } head && ReferenceEquals(head, _tail) && head.End - _start <= Block.SmallSize)
        {
            var small = pool.RentSmall();
            small.End = head.End - _start;
            head.Bytes.Slice(_start, small.End).CopyTo(small.Bytes);
            (_head, _tail, _start) = (small, small, 0);
            pool.Return(head);
        }
    }

    /// <summary>Takes note of bytes that were received into <see cref="NextBlock"/>; none is a block that was not needed.</summary>
    public void Filled(Block block, int count)
    {
        block.End += count;
        if (ReferenceEquals(block, _tail))
        {
            return;
        }

        if (count == 0)
        {
            pool.Return(block);
            return;
        }

        if (_tail is null or { IsSmall: true })
        {
            if (_tail is { } small)
            {
                pool.Return(small);
            }

            _head = block;
            _start = 0;
        }
        else
        {
            _tail.Append(block);
        }

        _tail = block;
    }

    /// <summary>Gives back what is consumed. Nothing is changed when a position is not inside.</summary>
    /// <returns>How many bytes are examined but not consumed, and whether all are examined.</returns>
    public (long Kept, bool AllExamined) Advance(SequencePosition consumed, SequencePosition examined)
    {
        if (_head is null || _tail is null)
        {
            return (0, true);
        }

        var (block, from) = Find(_head, consumed, _start, nameof(consumed));
        var (_, to) = Find(block, examined, consumed.GetInteger(), nameof(examined));
        while (!ReferenceEquals(_head, block))
        {
            ReturnHead();
        }

        _start = consumed.GetInteger();
        var end = _tail.RunningIndex + _tail.End;
        while (_head is { } head && _start == head.End)
        {
            ReturnHead();
        }

        return (to - from, to == end);
    }

    /// <summary>Gives all blocks back, or up when a handler may still look at them.</summary>
    public void Release(bool inUse)
    {
        while (_head is { } block)
        {
            _head = block.Following;
            if (inUse)
            {
                pool.Drop(block);
            }
            else
            {
                pool.Return(block);
            }
        }

        _tail = null;
        _start = 0;
    }

    private static (Block Block, long Index) Find(Block from, SequencePosition position, int atLeast, string name)
    {
        var index = position.GetInteger();
        for (var block = from; block is not null; block = block.Following)
        {
            if (ReferenceEquals(block, position.GetObject()) && index >= (ReferenceEquals(block, from) ? atLeast : 0) && index <= block.End)
            {
                return (block, block.RunningIndex + index);
            }
        }

        throw new ArgumentOutOfRangeException(name, "The position is not in the buffer of the last read, or examined lies before consumed.");
    }

    private void ReturnHead()
    {
        var block = _head!;
        _head = block.Following;
        _start = 0;
        if (_head is null)
        {
            _tail = null;
        }

        pool.Return(block);
    }
}
