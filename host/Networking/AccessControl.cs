using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>Who may come in, by the real client's address: networks, connections at a time, connections a second. Exact, and edited while clients come.</summary>
internal sealed class AccessControl(AccessConfig initial, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<UInt128, int> _inside = [];
    private readonly AddressRate _rate = new(time);
    private volatile AccessConfig _rules = initial;

    /// <summary>Asks for one client. Null lets it in, and <paramref name="hold"/> is what it has of its address's share until <see cref="Leave"/>.</summary>
    /// <param name="address">Null has no limit and no network: a Unix socket, or a proxy that speaks for itself.</param>
    /// <param name="hold">Made for the client.</param>
    public RejectReason? TryEnter(UInt128? address, out AddressHold hold)
    {
        hold = default;
        var rules = _rules;
        if (address is not { } number)
        {
            hold = AddressHold.Exempt;
            return null;
        }

        if (!rules.Allows(number))
        {
            return RejectReason.Denied;
        }

        if (rules.ConnectionsPerAddress == 0 && rules.ConnectionsPerSecond == 0)
        {
            return null;
        }

        lock (_gate)
        {
            rules = _rules;
            var inside = _inside.GetValueOrDefault(number);
            if (rules.ConnectionsPerAddress > 0 && inside >= rules.ConnectionsPerAddress)
            {
                return RejectReason.AddressLimit;
            }

            if (rules.ConnectionsPerSecond > 0 && !_rate.TryTake(number, rules.ConnectionsPerSecond))
            {
                return RejectReason.AddressRate;
            }

            if (rules.ConnectionsPerAddress > 0)
            {
                _inside[number] = inside + 1;
                hold = AddressHold.Counted;
            }

            return null;
        }
    }

    /// <summary>Takes over an edit. Who came in before a limit on its address existed counts from now on; nobody is sent away.</summary>
    public void Update(AccessConfig next, ConnectionSet connections)
    {
        if (_rules == next)
        {
            return;
        }

        var begins = _rules.ConnectionsPerAddress == 0 && next.ConnectionsPerAddress > 0;
        _rules = next;
        if (begins)
        {
            foreach (var connection in connections.All)
            {
                CountLate(connection);
            }
        }
    }

    /// <summary>It has come in while a limit may have begun. It is in the set already, so either this sees the limit or the edit sees it.</summary>
    public void Settle(ServedConnection connection)
    {
        if (_rules.ConnectionsPerAddress > 0 && connection.Hold == AddressHold.None)
        {
            CountLate(connection);
        }
    }

    /// <summary>A client has gone, or was let in and got no further.</summary>
    public void Leave(UInt128? address, AddressHold hold)
    {
        if (hold != AddressHold.Counted || address is not { } number)
        {
            return;
        }

        lock (_gate)
        {
            Remove(number);
        }
    }

    private void CountLate(ServedConnection connection)
    {
        if (connection.RemoteNumber is not { } number)
        {
            return;
        }

        lock (_gate)
        {
            _inside[number] = _inside.GetValueOrDefault(number) + 1;
            if (!connection.TryHold())
            {
                Remove(number);
            }
        }
    }

    private void Remove(UInt128 number)
    {
        if (--_inside[number] == 0)
        {
            _inside.Remove(number);
        }
    }
}
