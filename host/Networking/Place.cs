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

    public void Dispose()
    {
        Interlocked.Exchange(ref _places, null)?.Return();
        Interlocked.Exchange(ref _also, null)?.Dispose();
    }
}
