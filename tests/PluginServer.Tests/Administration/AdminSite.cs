using System.Net.Http.Headers;
using Microsoft.Extensions.Logging.Abstractions;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using PluginServer.Administration;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>A real host in this process, behind its administration endpoint.</summary>
internal sealed class AdminSite : IAsyncDisposable
{
    private readonly HttpClient _client;
    private readonly AdminEndpoint _endpoint;

    private AdminSite(TestServer host, AdminEndpoint endpoint)
    {
        Host = host;
        _endpoint = endpoint;
        _client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri($"http://{endpoint.Address}") };
        _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", File.ReadAllText(endpoint.TokenFile).Trim());
    }

    public TestServer Host { get; }

    /// <summary>Puts an endpoint before a host, which ends with it.</summary>
    public static async Task<AdminSite> OfAsync(TestServer host) =>
        new(host, await AdminEndpoint.StartAsync(host.Server.Config, AdminCalls.Of(host.Server, host.Reloader), NullLoggerFactory.Instance).Within());

    /// <summary>With the token.</summary>
    public async Task<(int Status, JToken Json)> SendAsync(HttpMethod method, string call, CancellationToken? patience = null)
    {
        using var request = new HttpRequestMessage(method, call);
        using var response = await _client.SendAsync(request, patience ?? Deadline.Token);
        using var reader = new JsonTextReader(new StringReader(await response.Content.ReadAsStringAsync(Deadline.Token))) { DateParseHandling = DateParseHandling.None };
        return ((int)response.StatusCode, await JToken.LoadAsync(reader));
    }

    /// <summary>Everything that is connected, and was answered with 200.</summary>
    public async Task<JArray> ConnectionsAsync(string query = "")
    {
        var (status, json) = await SendAsync(HttpMethod.Get, "/api/connections" + query);
        Assert.That(status, Is.EqualTo(200), $"{json}");
        return (JArray)json;
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _endpoint.DisposeAsync();
        await Host.DisposeAsync();
    }
}
