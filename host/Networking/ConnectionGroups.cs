using System.Collections.Immutable;

namespace PluginServer.Networking;

/// <summary>The groups of one plugin, in this process.</summary>
/// <remarks>Its lock is held while memberships change and while the members are looked up, never while anything is sent.</remarks>
internal sealed class ConnectionGroups : IConnectionGroups
{
    /// <summary>How many bytes may wait for a member; with more it is cut.</summary>
    public const int MostWaiting = 1024 * 1024;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Group> _groups = new(StringComparer.Ordinal);

    public ValueTask JoinAsync(string group, Connection connection, CancellationToken cancellationToken = default)
    {
        var member = Member(group, connection);
        if (member is null)
        {
            return default;
        }

        lock (_gate)
        {
            if (!_groups.TryGetValue(group, out var known))
            {
                _groups.Add(group, known = new Group());
            }

            if (known.Add(member))
            {
                (member.Membership ??= new Membership(this)).Groups.Add(group);
            }
        }

        // Whoever ends says so and then looks for its groups; this does the reverse. One of them sees the other.
        Interlocked.MemoryBarrier();
        if (member.IsOver)
        {
            LeaveAll(member);
        }

        return default;
    }

    public ValueTask LeaveAsync(string group, Connection connection, CancellationToken cancellationToken = default)
    {
        if (Member(group, connection) is { } member)
        {
            Leave(group, member);
        }

        return default;
    }

    public ValueTask SendAsync(string group, ReadOnlyMemory<byte> message, Connection? except = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(group);
        ImmutableArray<ServedConnection> members;
        lock (_gate)
        {
            members = _groups.TryGetValue(group, out var known) ? known.Members : [];
        }

        if (members.IsEmpty || message.IsEmpty)
        {
            return default;
        }

        // One copy for all.
        var copy = message.ToArray();
        foreach (var member in members)
        {
            if (member != except && !member.Transport.Deliver(copy, MostWaiting))
            {
                member.Home.CutSlow(member, group);
            }
        }

        return default;
    }

    public ValueTask<int> CountAsync(string group, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(group);
        lock (_gate)
        {
            return new ValueTask<int>(_groups.TryGetValue(group, out var known) ? known.Count : 0);
        }
    }

    /// <summary>The connection has ended: it is in no group any more.</summary>
    public void LeaveAll(ServedConnection member)
    {
        lock (_gate)
        {
            foreach (var group in member.Membership!.Groups.ToList())
            {
                Leave(group, member);
            }
        }
    }

    /// <summary>Null for a connection that counts nowhere, such as that of a warm-up.</summary>
    private static ServedConnection? Member(string group, Connection connection)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(group);
        ArgumentNullException.ThrowIfNull(connection);
        return connection as ServedConnection ?? (connection.Id == 0 ? null : throw new ArgumentException($"Connection {connection.Id} is none of this host.", nameof(connection)));
    }

    private void Leave(string group, ServedConnection member)
    {
        lock (_gate)
        {
            if (_groups.TryGetValue(group, out var known) && known.Remove(member))
            {
                member.Membership!.Groups.Remove(group);
                if (known.Count == 0)
                {
                    _groups.Remove(group);
                }
            }
        }
    }

    private sealed class Group
    {
        private readonly HashSet<ServedConnection> _members = [];
        private ImmutableArray<ServedConnection> _picture = [];

        public int Count => _members.Count;

        /// <summary>Made for the first message after a change, so that a thousand who come cost no thousand copies.</summary>
        public ImmutableArray<ServedConnection> Members => _picture.IsEmpty ? _picture = [.. _members] : _picture;

        public bool Add(ServedConnection member)
        {
            _picture = [];
            return _members.Add(member);
        }

        public bool Remove(ServedConnection member)
        {
            _picture = [];
            return _members.Remove(member);
        }
    }
}
