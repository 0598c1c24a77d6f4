namespace PluginServer.Networking;

/// <summary>What was written and not sent: a chain of blocks, the front of it flushed, the rest still the handler's.</summary>
internal sealed class SendQueue(BlockPool pool)
{
    private Block? _head;
    private Block? _tail;

    /// <summary>How much of the head is sent.</summary>
    private int _start;

    /// <summary>Memory of the tail is in the handler's hands, so the tail must stay.</summary>
    private bool _lent;

    /// <summary>Whether the handler has begun to write something that is not flushed.</summary>
    public bool IsBegun => Unflushed > 0 || _lent;

    /// <summary>Flushed and not sent.</summary>
    public long Flushed { get; private set; }

    public long Unflushed { get; private set; }

    /// <summary>The next bytes to send; empty when none are flushed.</summary>
    public Memory<byte> Next => Flushed == 0 ? default : _head!.Bytes.Slice(_start, (int)Math.Min(_head.End - _start, Flushed));

    /// <summary>Room for the handler to write to.</summary>
    public Memory<byte> Lend(int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        var tail = TailWithRoom(Math.Max(sizeHint, 1));
        _lent = true;
        return tail.Bytes[tail.End..];
    }

    public void Advance(int count)
    {
        var room = _tail?.Room ?? 0;
        if (count < 0 || count > room)
        {
            throw new ArgumentOutOfRangeException(nameof(count), count, "More bytes than the last GetMemory or GetSpan gave.");
        }

        if (count > 0)
        {
            _tail!.End += count;
            Unflushed += count;
        }

        _lent = false;
        ReturnSentTail();
    }

    /// <summary>Makes what was written ready to send.</summary>
    public void Flush()
    {
        FlushLast();
        _lent = false;
        ReturnSentTail();
    }

    /// <summary>The same where no flush of the handler's comes after it: memory that a task of its may still hold stays lent.</summary>
    public void FlushLast()
    {
        Flushed += Unflushed;
        Unflushed = 0;
    }

    /// <summary>Copies bytes behind what is flushed; nothing may be unflushed.</summary>
    public void Append(ReadOnlySpan<byte> source)
    {
        while (!source.IsEmpty)
        {
            var tail = TailWithRoom(1);
            var count = Math.Min(tail.Room, source.Length);
            source[..count].CopyTo(tail.Bytes.Span[tail.End..]);
            tail.End += count;
            Flushed += count;
            source = source[count..];
        }
    }

    /// <summary>The first bytes of <see cref="Next"/> are sent.</summary>
    public void Sent(int count)
    {
        Flushed -= count;
        _start += count;

        // Also past a block that was lent, not used, and found too small when more was asked for.
        while (_head is { Following: { } following } head && _start == head.End)
        {
            _head = following;
            _start = 0;
            pool.Return(head);
        }

        ReturnSentTail();
    }

    /// <summary>Gives all blocks back; the last one up when the handler may still write to it.</summary>
    public void Release()
    {
        while (_head is { } block)
        {
            _head = block.Following;
            if (_lent && _head is null)
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
        Flushed = 0;
        Unflushed = 0;
        _lent = false;
    }

    private Block TailWithRoom(int count)
    {
        if (_tail is { } tail && tail.Room >= count)
        {
            return tail;
        }

        var block = pool.Rent(count);
        if (_tail is { } last && (_start != last.End || !ReferenceEquals(_head, last)))
        {
            last.Append(block);
        }
        else
        {
            // The only block was kept for memory that the handler has not used; it has asked again since.
            if (_tail is { } unused)
            {
                pool.Return(unused);
            }

            _head = block;
            _start = 0;
        }

        return _tail = block;
    }

    private void ReturnSentTail()
    {
        if (!_lent && _head is { } head && ReferenceEquals(head, _tail) && _start == head.End)
        {
            _head = null;
            _tail = null;
            _start = 0;
            pool.Return(head);
        }
    }
}
