namespace PluginServer.Plugins;

/// <summary>An endpoint's current handler: read anew for each connection, replaced by one exchange.</summary>
internal sealed class HandlerSlot(HandlerBinding first)
{
    private volatile HandlerBinding? _current = first;

    public HandlerBinding? Current => _current;

    /// <summary>The current handler, with a lease of its generation that the caller returns; null when the slot has been emptied.</summary>
    public HandlerBinding? Lease()
    {
        while (_current is { } binding)
        {
            if (binding.Generation.TryLease())
            {
                return binding;
            }

            // Retired between the read and the lease: the exchange came first, so the next read sees its successor.
        }

        return null;
    }

    /// <summary>Puts another handler in place for the connections to come; null empties the slot.</summary>
    public HandlerBinding? Exchange(HandlerBinding? next) => Interlocked.Exchange(ref _current, next);
}
