using System.IO.Pipelines;

namespace PluginServer;

/// <summary>Optional: plays a client before a new build serves anybody, so that the first real one does not wait for what
/// happens once, such as compilation. Register it in <see cref="IPlugin.ConfigureServices"/>:
/// <c>services.AddSingleton&lt;IWarmUp, MyWarmUp&gt;()</c>.</summary>
/// <remarks>
/// Called for each new build and each endpoint it is going to serve, one after the other, after the hosted services have
/// started and before the swap commits; never by the <c>check</c> command. At the other end is a real handler, made as for any
/// connection, over memory: it has no place, counts nowhere, its <see cref="Connection.Id"/> is 0, and <c>readLimit</c> and
/// the timeouts of the endpoint do not apply. An exception here or in the handler refuses the build.
/// </remarks>
public interface IWarmUp
{
    /// <summary>Talks to one handler.</summary>
    /// <param name="handler">The type of the handler at the other end.</param>
    /// <param name="client">The client's end: write to its output what a client would send, read the answers from its input.
    /// It belongs to the host, which completes both when this returns; the handler is given until the same deadline to end.</param>
    /// <param name="cancellationToken">Cancelled after 30 s; the build is refused then.</param>
    Task WarmUpAsync(Type handler, IDuplexPipe client, CancellationToken cancellationToken);
}
