using System.Diagnostics;
using System.Net;
using PluginServer.Diagnostics;

namespace PluginServer.Networking;

/// <summary>The activity of one connection: from its handler's start to the closed socket.</summary>
/// <remarks>The attributes of the peer are those of OpenTelemetry's semantic conventions, "network.peer".</remarks>
internal static class ConnectionTrace
{
    /// <summary>Null where no listener wants this one.</summary>
    public static Activity? Start(ActivitySource source, ServedConnection connection)
    {
        var activity = source.StartActivity("pluginserver.connection", ActivityKind.Server);
        activity?.SetTag(Tag.EndpointName, connection.Endpoint);
        activity?.SetTag(Tag.PluginName, connection.Generation.Build.Name);
        activity?.SetTag(Tag.GenerationNumber, connection.Generation.Number);
        activity?.SetTag(Tag.ConnectionNumber, connection.Id);
        if (connection.RemoteEndPoint is IPEndPoint remote)
        {
            activity?.SetTag("network.peer.address", remote.Address.ToString());
            activity?.SetTag("network.peer.port", remote.Port);
        }

        return activity;
    }

    public static void End(this Activity activity, ConnectionOutcome outcome)
    {
        activity.SetTag("pluginserver.received", outcome.BytesReceived);
        activity.SetTag("pluginserver.sent", outcome.BytesSent);
        if (CloseCauses.Name(outcome.Cause) is { } cause)
        {
            activity.SetTag(Tag.ErrorType, cause);
            activity.SetStatus(ActivityStatusCode.Error, outcome.Text);
        }

        activity.Stop();
    }
}
