using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace PluginServer.Diagnostics;

/// <summary>Every log line of the host; event ids are stable, 1xx host, 2xx endpoints and connections, 3xx plugins.</summary>
internal static partial class Log
{
    /// <summary>The category of the host's own lines.</summary>
    public const string Category = "PluginServer";

    [LoggerMessage(100, LogLevel.Information, "Serving {Endpoints} endpoints with {Plugins} plugins; at most {Connections} connections")]
    public static partial void Serving(ILogger log, int endpoints, int plugins, int connections);

    [LoggerMessage(101, LogLevel.Information, "Stopping on {Signal}: not ready from now on, accepting for another {Delay}")]
    public static partial void Stopping(ILogger log, string signal, TimeSpan delay);

    [LoggerMessage(102, LogLevel.Information, "Draining {Connections} connections, for at most {Timeout}")]
    public static partial void Draining(ILogger log, int connections, TimeSpan timeout);

    [LoggerMessage(103, LogLevel.Warning, "Cut {Connections} connections")]
    public static partial void ConnectionsCut(ILogger log, int connections);

    [LoggerMessage(104, LogLevel.Information, "Stopped")]
    public static partial void Stopped(ILogger log);

    [LoggerMessage(105, LogLevel.Warning, "No file events for {Directory}, so changes are found by polling, up to 2 s later: {Error}")]
    public static partial void NoFileEvents(ILogger log, string directory, string error);

    [LoggerMessage(106, LogLevel.Warning, "The endpoints allow {Sum} connections together, but the process may open only {Files} files: at most {Connections} are served at a time")]
    public static partial void LimitsExceedFiles(ILogger log, long sum, int files, int connections);

    [LoggerMessage(201, LogLevel.Information, "Endpoint {Endpoint} listens on {Address} for {Plugin}.{Handler}, generation {Generation}")]
    public static partial void EndpointListens(ILogger log, string endpoint, string address, string plugin, string handler, int generation);

    [LoggerMessage(202, LogLevel.Error, "Endpoint {Endpoint}: the acceptor failed and is replaced in {Delay}: {Error}")]
    public static partial void AcceptorReplaced(ILogger log, string endpoint, TimeSpan delay, string error);

    [LoggerMessage(203, LogLevel.Warning, "Endpoint {Endpoint}: accept failed with {Error}; the next try is in {Delay}")]
    public static partial void AcceptBacksOff(ILogger log, string endpoint, SocketError error, TimeSpan delay);

    [LoggerMessage(204, LogLevel.Error, "Endpoint {Endpoint}, connection {Connection} from {Remote}: handler fault in {Plugin} generation {Generation}: {Error}")]
    public static partial void HandlerFault(ILogger log, string endpoint, long connection, string remote, string plugin, int generation, string error);

    [LoggerMessage(205, LogLevel.Debug, "Endpoint {Endpoint}, connection {Connection} from {Remote} ended after {Duration}: {Cause} ({Received} B in, {Sent} B out)")]
    public static partial void ConnectionEnded(ILogger log, string endpoint, long connection, string remote, TimeSpan duration, Enum cause, long received, long sent);

    [LoggerMessage(206, LogLevel.Information, "Endpoint {Endpoint} on {Address} is removed; {Cut} connections were cut")]
    public static partial void EndpointRemoved(ILogger log, string endpoint, string address, int cut);

    [LoggerMessage(220, LogLevel.Warning, "{Where}: {Count} times more: {Event} ({Kind})")]
    public static partial void Repeated(ILogger log, string where, long count, string @event, string kind);

    [LoggerMessage(211, LogLevel.Error, "Endpoint {Endpoint} on {Address} has failed, and is tried again in {Delay}; those inside are served: {Error}")]
    public static partial void EndpointFailed(ILogger log, string endpoint, string address, TimeSpan delay, string error);

    [LoggerMessage(212, LogLevel.Information, "Endpoint {Endpoint} on {Address} has recovered")]
    public static partial void EndpointRecovered(ILogger log, string endpoint, string address);

    [LoggerMessage(213, LogLevel.Warning, "Endpoint {Endpoint}: its broken listening socket was opened anew on {Address}")]
    public static partial void ListenerReopened(ILogger log, string endpoint, string address);

    [LoggerMessage(214, LogLevel.Information, "Endpoint {Endpoint} on {Address} is paused: clients wait in the backlog")]
    public static partial void EndpointPaused(ILogger log, string endpoint, string address);

    [LoggerMessage(215, LogLevel.Information, "Endpoint {Endpoint} on {Address} accepts again")]
    public static partial void EndpointResumed(ILogger log, string endpoint, string address);

    [LoggerMessage(216, LogLevel.Information, "Endpoint {Endpoint} on {Address} was drained: {Finished} finished, {Closed} closed, {Cut} cut")]
    public static partial void EndpointDrained(ILogger log, string endpoint, string address, long finished, long closed, long cut);

    [LoggerMessage(217, LogLevel.Error, "Endpoint {Endpoint}: what waits in its backlog is not served: {Error}")]
    public static partial void BacklogLost(ILogger log, string endpoint, string error);

    [LoggerMessage(218, LogLevel.Warning, "Endpoint {Endpoint}: a client from {Remote} is rejected: {Reason}")]
    public static partial void ClientRejected(ILogger log, string endpoint, string remote, string reason);

    [LoggerMessage(219, LogLevel.Error, "Endpoint {Endpoint}: its socket file keeps the owner and mode that it has: {Error}")]
    public static partial void SocketFileNotChanged(ILogger log, string endpoint, string error);

    [LoggerMessage(221, LogLevel.Information, "Endpoint {Endpoint} speaks TLS: {Certificates}")]
    public static partial void EndpointSpeaksTls(ILogger log, string endpoint, string certificates);

    [LoggerMessage(222, LogLevel.Warning, "Endpoint {Endpoint}: {Warning}")]
    public static partial void TlsWarning(ILogger log, string endpoint, string warning);

    [LoggerMessage(223, LogLevel.Information, "Endpoint {Endpoint}: connection {Connection} from {Remote} was cut by an operator")]
    public static partial void ConnectionCut(ILogger log, string endpoint, long connection, string remote);

    [LoggerMessage(224, LogLevel.Warning, "Endpoint {Endpoint}: connection {Connection} from {Remote} is cut: more than {Limit} B of what its group '{Group}' was sent wait for it")]
    public static partial void SlowMemberCut(ILogger log, string endpoint, long connection, string remote, string group, int limit);

    [LoggerMessage(110, LogLevel.Information, "Applied revision {Revision}: {Changes}")]
    public static partial void Applied(ILogger log, int revision, string changes);

    [LoggerMessage(111, LogLevel.Error, "Rejected, revision {Revision} goes on: {Errors}")]
    public static partial void Rejected(ILogger log, int revision, string errors);

    [LoggerMessage(112, LogLevel.Information, "What was rejected has been put right; revision {Revision} goes on, and nothing is wrong with the present files")]
    public static partial void PutRight(ILogger log, int revision);

    [LoggerMessage(308, LogLevel.Error, "What serves was not written down in {Directory}, so a restart or a rollback may not know it: {Error}")]
    public static partial void NotRecorded(ILogger log, string directory, string error);

    [LoggerMessage(306, LogLevel.Warning, "Plugin {Plugin}: the build in its folder cannot be used, so {Hash} serves, which served before: {Error}")]
    public static partial void FellBack(ILogger log, string plugin, string hash, string error);

    [LoggerMessage(301, LogLevel.Information, "Plugin {Plugin} {Version} (sha256 {Hash}) loaded as generation {Generation}")]
    public static partial void GenerationLoaded(ILogger log, string plugin, string version, string hash, int generation);

    [LoggerMessage(302, LogLevel.Information, "Plugin {Plugin} generation {Generation} unloaded after {Seconds:0.0} s")]
    public static partial void GenerationUnloaded(ILogger log, string plugin, int generation, double seconds);

    [LoggerMessage(303, LogLevel.Warning, "Plugin {Plugin} generation {Generation} leaked: {Seconds:0} s after its last connection something still holds its load context, perhaps {Suspects}")]
    public static partial void GenerationLeaked(ILogger log, string plugin, int generation, double seconds, string suspects);

    [LoggerMessage(304, LogLevel.Error, "Plugin {Plugin} generation {Generation}: {Service} failed to stop: {Error}")]
    public static partial void ServiceStopFailed(ILogger log, string plugin, int generation, string service, string error);

    [LoggerMessage(307, LogLevel.Error, "Plugin {Plugin} generation {Generation}: an exception outside of its handlers, which nothing caught: {Error}")]
    public static partial void StrayFault(ILogger log, string plugin, int generation, string error);

    [LoggerMessage(309, LogLevel.Warning, "Plugin {Plugin} generation {Generation}: {Handler} blocks, with others more than {Blocks} times in {Seconds:0} s; its handlers go on on threads of their own, where they cost nobody else anything")]
    public static partial void GenerationDemoted(ILogger log, string plugin, int generation, string handler, int blocks, double seconds);

    [LoggerMessage(310, LogLevel.Information, "Plugin {Plugin} generation {Generation}: its handlers have not blocked for {Seconds:0} s, and go on on the socket loop again")]
    public static partial void GenerationPromoted(ILogger log, string plugin, int generation, double seconds);

    [LoggerMessage(305, LogLevel.Error, "Plugin {Plugin} generation {Generation}: background service {Service} failed: {Error}")]
    public static partial void BackgroundServiceFailed(ILogger log, string plugin, int generation, string service, string error);
}
