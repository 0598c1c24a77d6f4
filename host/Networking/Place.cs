namespace PluginServer.Networking;

/// <summary>The right to one connection, within an endpoint's limit and the host's; given back once.</summary>
internal sealed class Place(Places places) : IDisposable
{
    private Places? _places = places;
    private Place? _also;

    /// <summary>Joins a place within another limit, given back together with this one.</summary>
    public Place With(Place other)
    {
        _also = other;
        return this;
    }

    /// <summary>False, and it is given back, when the limit was lowered so far since it was taken that it is one too many.</summary>
    public bool Confirm()
    {
        if (_places?.IsWithinLimit() == true)
        {
            return true;
        }

        _places = null;
        return false;
    }

    /// <summary>Whoever calls this gives them back itself, by <see cref="Places.Return"/>: no object has to stand for a place that is in use.</summary>
    public void Keep() => (_places, _also) = (null, null);

    public void Dispose()
    {
        Interlocked.Exchange(ref _places, null)?.Return();
        Interlocked.Exchange(ref _also, null)?.Dispose();
    }
}
