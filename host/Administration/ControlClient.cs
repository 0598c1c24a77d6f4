using System.Net.Sockets;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using PluginServer.Configuration;

namespace PluginServer.Administration;

/// <summary>One call of a verb to the running host, over its control socket.</summary>
internal static class ControlClient
{
    /// <exception cref="NoHostException">None answers; the message says where it was looked for.</exception>
    public static async Task<ControlAnswer> SendAsync(HttpMethod method, string call, string configFile, CancellationToken cancellationToken)
    {
        var path = ControlSocket.PathIn(StatePlace.Of(configFile));
        using var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            ConnectCallback = async (_, cancellation) => new NetworkStream(await ControlSocket.ConnectAsync(path, cancellation), ownsSocket: true),
        };

        // A reload takes as long as the plugins need to start; whoever waits here can press Ctrl-C.
        using var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        using var request = new HttpRequestMessage(method, new Uri($"http://localhost{call}"));
        try
        {
            using var response = await client.SendAsync(request, cancellationToken);
            return new ControlAnswer((int)response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken));
        }
        catch (HttpRequestException error)
        {
            throw new NoHostException(error switch
            {
                { InnerException: SocketException { SocketErrorCode: SocketError.AccessDenied } } => $"this user may not talk to the host at {path}; be the user that runs it",
                { HttpRequestError: HttpRequestError.ConnectionError } => $"no host answers at {path}; is one running with this configuration?",
                _ => $"the host at {path} broke off before it answered; what it was asked for may have happened or not",
            });
        }
    }
}

/// <summary>What a host answered.</summary>
/// <param name="Status">Of HTTP.</param>
/// <param name="Text">As it came.</param>
internal sealed record ControlAnswer(int Status, string Text)
{
    /// <summary>Null where the host did not understand the call, or failed at it.</summary>
    public JObject? Json
    {
        get
        {
            try
            {
                using var reader = new JsonTextReader(new StringReader(Text)) { DateParseHandling = DateParseHandling.None };
                return JObject.Load(reader);
            }
            catch (JsonReaderException)
            {
                return null;
            }
        }
    }
}

/// <summary>No host answers; the message is for the operator.</summary>
internal sealed class NoHostException(string message) : Exception(message);
