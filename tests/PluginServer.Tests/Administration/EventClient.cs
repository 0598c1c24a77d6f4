using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>Follows /api/events as a browser's EventSource does.</summary>
internal sealed class EventClient : IDisposable
{
    private readonly HttpClient _client;
    private readonly HttpResponseMessage _response;
    private readonly StreamReader _lines;

    private EventClient(HttpClient client, HttpResponseMessage response, Stream stream)
    {
        _client = client;
        _response = response;
        _lines = new StreamReader(stream);
    }

    public HttpResponseMessage Response => _response;

    /// <summary>Returns when the header of the answer is there.</summary>
    public static async Task<EventClient> FollowAsync(AdminFace face, string? lastEventId = null)
    {
        var client = AdminFace.Client();
        using var request = face.Request(HttpMethod.Get, "/api/events");
        if (lastEventId is not null)
        {
            request.Headers.TryAddWithoutValidation("Last-Event-ID", lastEventId);
        }

        var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Deadline.Token);
        Assert.That((int)response.StatusCode, Is.EqualTo(200));
        return new EventClient(client, response, await response.Content.ReadAsStreamAsync());
    }

    /// <summary>A comment without its colon; null at the end.</summary>
    public async Task<string?> CommentAsync()
    {
        var block = await BlockAsync();
        Assert.That(block, block is null ? Is.Null : Has.Count.EqualTo(1).And.All.StartsWith(": "));
        return block?[0][2..];
    }

    /// <summary>The next event.</summary>
    public async Task<JObject> NextAsync()
    {
        var block = await BlockAsync();
        Assert.That(block, Is.Not.Null, "the stream has ended");
        Assert.That(block, Has.Count.EqualTo(3), string.Join('\n', block!));
        Assert.That(block![1], Is.EqualTo("event: host"));
        Assert.That(block[2], Does.StartWith("data: "));
        using var reader = new JsonTextReader(new StringReader(block[2]["data: ".Length..])) { DateParseHandling = DateParseHandling.None };
        var happened = await JObject.LoadAsync(reader);
        Assert.That(block[0], Is.EqualTo($"id: {happened["number"]}"));
        return happened;
    }

    /// <summary>The texts of so many.</summary>
    public async Task<List<string>> TextsAsync(int count)
    {
        List<string> texts = [];
        for (var index = 0; index < count; index++)
        {
            texts.Add((string)(await NextAsync())["text"]!);
        }

        return texts;
    }

    public void Dispose()
    {
        _lines.Dispose();
        _response.Dispose();
        _client.Dispose();
    }

    /// <summary>The lines up to an empty one; null at the end.</summary>
    private async Task<List<string>?> BlockAsync()
    {
        List<string> block = [];
        while (await _lines.ReadLineAsync(Deadline.Token) is { } line)
        {
            if (line.Length == 0)
            {
                return block;
            }

            block.Add(line);
        }

        Assert.That(block, Is.Empty, "it ends between two events");
        return null;
    }
}
