namespace PluginServer;

/// <summary>Named sets of connections, and messages to all of a set.</summary>
/// <remarks>
/// <para>Ask for it in the constructor of a handler or a service. Each plugin of plugins.json has groups of its own, which all its endpoints and
/// generations share. A group exists while it has a member. A connection that ends leaves all its groups; one that moves to another build
/// (<see cref="ICodeChange"/>) stays.</para>
/// <para>A message goes out as a whole, and never in the middle of what the member's own handler writes: at once when that has nothing
/// unflushed, otherwise after its next flush. Messages of one sender reach each member in the order in which they were sent.</para>
/// <para>Nobody waits for a slow member: what it does not take waits in a queue of its own, and when that would be more than 1 MiB the
/// connection is cut, and counted as such, for a member without gaps is better than one that missed something.</para>
/// <para>Any thread. The methods are asynchronous for the sake of groups over several hosts; in one process they have ended when they return.</para>
/// </remarks>
public interface IConnectionGroups
{
    /// <summary>Makes a connection a member. Nothing to do when it is one, or has ended.</summary>
    /// <param name="group">Name of the group, compared ordinally.</param>
    /// <param name="connection">One that this plugin serves.</param>
    /// <param name="cancellationToken">Ends the wait, not the joining.</param>
    /// <returns>A task that ends when messages to the group reach it.</returns>
    /// <exception cref="ArgumentException"><paramref name="group"/> is null, empty or white space, or <paramref name="connection"/> none of this host.</exception>
    ValueTask JoinAsync(string group, Connection connection, CancellationToken cancellationToken = default);

    /// <summary>Ends a membership. Nothing to do when there is none.</summary>
    /// <param name="group">Name of the group, compared ordinally.</param>
    /// <param name="connection">The member.</param>
    /// <param name="cancellationToken">Ends the wait, not the leaving.</param>
    /// <returns>A task that ends when messages to the group do not reach it any more.</returns>
    /// <exception cref="ArgumentException"><paramref name="group"/> is null, empty or white space.</exception>
    ValueTask LeaveAsync(string group, Connection connection, CancellationToken cancellationToken = default);

    /// <summary>Sends a message to all members.</summary>
    /// <param name="group">Name of the group, compared ordinally. One without members takes no message.</param>
    /// <param name="message">What they are sent, as it is; it is copied before the call returns.</param>
    /// <param name="except">A member that does not get it, such as the one that says it.</param>
    /// <param name="cancellationToken">Ends the wait, not the sending.</param>
    /// <returns>A task that ends when each member has the message in its queue.</returns>
    /// <exception cref="ArgumentException"><paramref name="group"/> is null, empty or white space.</exception>
    ValueTask SendAsync(string group, ReadOnlyMemory<byte> message, Connection? except = null, CancellationToken cancellationToken = default);

    /// <summary>How many members a group has now.</summary>
    /// <param name="group">Name of the group, compared ordinally.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The number; 0 for a group that does not exist.</returns>
    /// <exception cref="ArgumentException"><paramref name="group"/> is null, empty or white space.</exception>
    ValueTask<int> CountAsync(string group, CancellationToken cancellationToken = default);
}
