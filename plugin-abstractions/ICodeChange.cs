namespace PluginServer;

/// <summary>A <see cref="MessageHandler{TMessage}"/> that takes over live connections from another build of itself.</summary>
/// <remarks>
/// <para>When a plugin is swapped, or rolled back, each connection whose handler has this interface, in the build that serves it and in
/// the new one under the same name, moves to the new build between two messages. The client notices nothing: received bytes that were not
/// read yet and <see cref="Connection.State"/> go along, the fields of the old handler do not. A connection whose handler does not have it
/// stays with the build that it began with.</para>
/// <para>What Erlang/OTP calls <c>code_change</c> (<c>gen_server</c>).</para>
/// </remarks>
public interface ICodeChange
{
    /// <summary>Called on the new handler instead of <see cref="MessageHandler{TMessage}.OnConnectedAsync"/>: makes of what the other build kept what this one needs.</summary>
    /// <remarks>
    /// <para>The other build's handler rests meanwhile, and is disposed after it. Nothing may be sent.</para>
    /// <para>If it throws, the connection stays with the other build, as if nothing had happened: the fault is counted and logged, and what was
    /// added to, replaced in and removed from the <see cref="Connection.State"/> is undone. A collection in it that was changed in place is not
    /// changed back, so a conversion makes a new one.</para>
    /// </remarks>
    /// <param name="fromVersion">The version of the build that has served the connection so far, as its assembly states it: older or, after a rollback, newer.</param>
    /// <returns>A task that ends when the connection can be served.</returns>
    ValueTask OnCodeChangeAsync(string fromVersion);
}
