using System.Text.RegularExpressions;
using PluginServer.Administration;

namespace PluginServer.Tests.Administration;

/// <summary>The page: three files of the host's own, which ask for nothing from elsewhere.</summary>
internal sealed partial class DashboardTests
{
    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    [TestCase("/", "text/html; charset=utf-8")]
    [TestCase("/dashboard.css", "text/css; charset=utf-8")]
    [TestCase("/dashboard.js", "text/javascript; charset=utf-8")]
    public async Task Each_file_has_its_type_and_may_use_only_what_comes_from_here(string call, string type)
    {
        await using var face = await AdminFace.StartAsync();
        var (status, body, response) = await face.SendAsync(HttpMethod.Get, call);
        Assert.That((status, response.Content.Headers.ContentType!.ToString()), Is.EqualTo((200, type)));
        Assert.That(body, Is.Not.Empty);
        var headers = response.Headers.ToDictionary(header => header.Key, header => string.Join(",", header.Value));
        Assert.That(headers["Content-Security-Policy"], Is.EqualTo(Policy));
        Assert.That(headers, Does.ContainKey("X-Content-Type-Options").WithValue("nosniff"));
        Assert.That(headers, Does.ContainKey("Cache-Control").WithValue("no-store"));
        Assert.That(headers, Does.ContainKey("Cross-Origin-Resource-Policy").WithValue("same-origin"));

        var head = await face.SendAsync(HttpMethod.Head, call);
        Assert.That((head.Status, head.Body, head.Response.Content.Headers.ContentType!.ToString()), Is.EqualTo((200, "", type)));
        Assert.That((await face.SendAsync(HttpMethod.Post, call, $"Bearer {face.Token}")).Status, Is.EqualTo(405));
    }

    [Test]
    public void Nothing_of_it_is_inline()
    {
        var page = Read("index.html");
        Assert.That(InlineScript().Matches(page).Select(found => found.Value), Is.Empty, "a script is a file");
        Assert.That(InlineStyle().Matches(page).Select(found => found.Value), Is.Empty, "and so is a style, but for what the script sets");
        Assert.That(References().Matches(page).Select(found => found.Groups[1].Value).Where(target => !target.StartsWith("data:image/", StringComparison.Ordinal) && !target.StartsWith('#')), Is.EquivalentTo(["/dashboard.css", "/dashboard.js"]));
    }

    [Test]
    public void Nothing_of_it_comes_from_another_origin([Values("index.html", "dashboard.css", "dashboard.js")] string file)
    {
        // The name of the language, which nobody fetches.
        var text = Read(file).Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal);
        Assert.That(ForeignOrigin().Matches(text).Select(found => found.Value), Is.Empty);
        Assert.That(text, Does.Not.Contain("eval(").And.Not.Contain("new Function").And.Not.Contain("innerHTML").And.Not.Contain("outerHTML").And.Not.Contain("insertAdjacentHTML").And.Not.Contain("document.write"));
    }

    private static string Read(string file)
    {
        using var stream = typeof(Dashboard).Assembly.GetManifestResourceStream($"dashboard/{file}");
        Assert.That(stream, Is.Not.Null, "it is part of the host");
        using var reader = new StreamReader(stream!);
        return reader.ReadToEnd();
    }

    [GeneratedRegex("<script(?![^>]* src=)[^>]*>|\\son[a-z]+\\s*=|javascript:", RegexOptions.IgnoreCase)]
    private static partial Regex InlineScript();

    [GeneratedRegex("<style|\\sstyle\\s*=", RegexOptions.IgnoreCase)]
    private static partial Regex InlineStyle();

    [GeneratedRegex("\\s(?:src|href|action|srcset|data)\\s*=\\s*\"([^\"]*)\"", RegexOptions.IgnoreCase)]
    private static partial Regex References();

    [GeneratedRegex("(?:https?:|wss?:)//[^\\s\"'`)]*|['\"`(]//[a-z0-9]|@import|@font-face", RegexOptions.IgnoreCase)]
    private static partial Regex ForeignOrigin();
}
