using System.Text;
using NUnit.Framework;

namespace PluginServer.Testing;

/// <summary>What a client has received and the test has not asked for yet.</summary>
internal sealed class Received
{
    private const int Shown = 400;
    private readonly Lock _gate = new();
    private byte[] _buffer = [];
    private int _start;
    private int _count;
    private TaskCompletionSource _news = New();
    private TaskCompletionSource? _paused;
    private ClientEnd? _end;
    private long _total;

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _count;
            }
        }
    }

    public bool HasLine
    {
        get
        {
            lock (_gate)
            {
                return Unread.Contains((byte)'\n');
            }
        }
    }

    private ReadOnlySpan<byte> Unread => _buffer.AsSpan(_start, _count);

    /// <summary>Null while it goes on.</summary>
    public ClientEnd? End
    {
        get
        {
            lock (_gate)
            {
                return _end;
            }
        }
    }

    public void Add(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            if (_start + _count + bytes.Length > _buffer.Length)
            {
                var larger = new byte[Math.Max(_buffer.Length, 2 * (_count + bytes.Length))];
                Unread.CopyTo(larger);
                (_buffer, _start) = (larger, 0);
            }

            bytes.CopyTo(_buffer.AsSpan(_start + _count));
            _count += bytes.Length;
            _total += bytes.Length;
        }

        Tell();
    }

    public void Finish(ClientEnd end)
    {
        lock (_gate)
        {
            _end = end;
        }

        Tell();
    }

    public byte[] TakeLine()
    {
        lock (_gate)
        {
            return Take(Unread.IndexOf((byte)'\n') + 1);
        }
    }

    public byte[] Take(int count)
    {
        lock (_gate)
        {
            var taken = Unread[..count].ToArray();
            (_start, _count) = (_start + count, _count - count);
            return taken;
        }
    }

    public void Pause()
    {
        lock (_gate)
        {
            _paused ??= New();
        }
    }

    public void Resume()
    {
        lock (_gate)
        {
            _paused?.SetResult();
            _paused = null;
        }
    }

    /// <summary>Ends when more is wanted.</summary>
    public Task WhenWanted()
    {
        lock (_gate)
        {
            return _paused?.Task ?? Task.CompletedTask;
        }
    }

    /// <summary>Waits until it is so.</summary>
    /// <exception cref="AssertionException">It cannot be any more, or is not in time.</exception>
    public async Task UntilAsync(Func<Received, bool> condition, string what)
    {
        while (true)
        {
            // Asked for before it is looked at, so that no news in between is lost.
            var news = Volatile.Read(ref _news).Task;
            var end = End;
            if (condition(this))
            {
                return;
            }

            if (end is not null)
            {
                throw new AssertionException($"Expected {what}, but the connection has ended ({(end == ClientEnd.Fin ? "FIN" : "reset")}); {Describe()}.");
            }

            await news.WithinAsync(() => $"{what} has not come; {Describe()}");
        }
    }

    public string Describe()
    {
        lock (_gate)
        {
            if (_count == 0)
            {
                return $"{_total} bytes were received, and all were read";
            }

            var text = Encoding.UTF8.GetString(Unread[..Math.Min(Shown, _count)]);
            return $"{_total} bytes were received, {_count} of them not yet read: \"{text.Replace("\r", "\\r", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}\"{(_count > Shown ? "…" : "")}";
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Tell() => Interlocked.Exchange(ref _news, New()).TrySetResult();
}
