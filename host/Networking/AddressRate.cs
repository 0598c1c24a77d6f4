namespace PluginServer.Networking;

/// <summary>How often each address may come: a bucket of tokens for each, as full as one second fills it, in a single number.</summary>
/// <remarks>The number is the moment at which the bucket is full again (the generic cell rate algorithm, ITU-T I.371): a token is there as long as that is
/// less than a second ahead, so a full bucket needs no entry. Not thread-safe.</remarks>
internal sealed class AddressRate(TimeProvider time)
{
    private const int FirstSweep = 1024;
    private readonly Dictionary<UInt128, long> _fullAt = [];
    private int _sweepAt = FirstSweep;

    /// <summary>How many addresses are remembered.</summary>
    public int Count => _fullAt.Count;

    /// <summary>Takes a token of an address; false when there is none.</summary>
    public bool TryTake(UInt128 address, int perSecond)
    {
        var now = time.GetTimestamp();
        var second = time.TimestampFrequency;

        // Rounded up: no more than so many a second, however the clock divides.
        var token = (second + perSecond - 1) / perSecond;
        var fullAt = Math.Max(_fullAt.GetValueOrDefault(address, long.MinValue), now);
        if (fullAt - now > (perSecond - 1) * token)
        {
            return false;
        }

        _fullAt[address] = fullAt + token;
        if (_fullAt.Count >= _sweepAt)
        {
            Sweep(now);
        }

        return true;
    }

    private void Sweep(long now)
    {
        foreach (var (address, fullAt) in _fullAt)
        {
            if (fullAt <= now)
            {
                _fullAt.Remove(address);
            }
        }

        _sweepAt = Math.Max(FirstSweep, _fullAt.Count * 2);
    }
}
