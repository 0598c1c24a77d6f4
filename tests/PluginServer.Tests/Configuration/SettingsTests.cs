using System.Text;
using Microsoft.Extensions.Configuration;
using PluginServer.Configuration;

namespace PluginServer.Tests.Configuration;

/// <summary>A settings object on its way to a plugin, and back to its place in the file.</summary>
internal sealed class SettingsTests
{
    private const string Settings = """
        {
          "text": "é\n", "whole": 12345678901234567890123, "small": -0, "fraction": 1.50, "power": 1e3,
          "none": null, "empty": {}, "no": [], "date": "2020-01-01T00:00:00Z",
          "limits": [ 1, { "Max": 2 }, [ 3 ] ], "Deep": { "Er": { "est": "x" } }, "a.b": { "[c]": 1 }, "codes": { "0": "zero", "1": "one" }
        }
        """;

    [Test]
    public void Settings_are_what_Microsoft_Extensions_Configuration_would_read()
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(Settings));
        var expected = new ConfigurationBuilder().AddJsonStream(stream).Build().AsEnumerable()
            .Where(pair => Read(Settings).Values.ContainsKey(pair.Key) || pair.Value is not null)
            .ToDictionary(StringComparer.OrdinalIgnoreCase);
        Assert.That(Read(Settings).Values, Is.EquivalentTo(expected));
        Assert.That(expected, Has.Count.EqualTo(16));
    }

    [Test]
    public void True_and_false_are_spelt_as_in_JSON() =>
        Assert.That(Read("""{ "on": true, "off": [ false ] }""").Values, Is.EquivalentTo(new Dictionary<string, string?> { ["on"] = "true", ["off:0"] = "false" }));

    [TestCase("text", "endpoints[0].settings.text", "\"é")]
    [TestCase("LIMITS:1:max", "endpoints[0].settings.limits[1].Max", "2 }, [")]
    [TestCase("limits:2:0", "endpoints[0].settings.limits[2][0]", "3 ] ]")]
    [TestCase("deep:ER:est", "endpoints[0].settings.Deep.Er.est", "\"x\"")]
    [TestCase("A.B:[C]", "endpoints[0].settings['a.b']['[c]']", "1 }, \"codes\"")]
    [TestCase("codes:1", "endpoints[0].settings.codes.1", "\"one\"")]
    [TestCase("limits:7:Max", "endpoints[0].settings.limits[7].Max", "[ 1, {")]
    [TestCase("a.b:missing", "endpoints[0].settings['a.b'].missing", "{ \"[c]\"")]
    [TestCase("a.c", "endpoints[0].settings['a.c']", "{\n  \"text\"")]
    [TestCase("", "endpoints[0].settings", "{\n  \"text\"")]
    public void A_configuration_key_has_its_place_in_any_case(string key, string path, string found)
    {
        var error = Read(Settings).At(key).Error("bad");
        Assert.That(error.Path, Is.EqualTo(path));
        Assert.That(At(error), Does.StartWith(found));
    }

    [Test]
    public void An_error_may_point_at_the_key_instead()
    {
        var error = Read(Settings).At("limits:1:MAX").ErrorAtKey("unknown");
        Assert.That(error.Path, Is.EqualTo("endpoints[0].settings.limits[1].Max"));
        Assert.That(At(error), Does.StartWith("\"Max\""));
    }

    [Test]
    public void Settings_that_are_left_out_have_the_place_of_their_entry()
    {
        var config = ConfigReader.ReadText("""{ "endpoints": [ { "port": 1, "plugin": "Echo" } ], "plugins": { "Chat": { } } }""", "plugins.json").Config!;
        Assert.That(config.Endpoints[0].Settings.At("max").Error("missing").ToString(), Is.EqualTo("plugins.json:1:18: endpoints[0].settings.max: missing"));
        Assert.That(config.Plugin("Chat").Settings.At("max").Error("missing").ToString(), Is.EqualTo("plugins.json:1:74: plugins.Chat.settings.max: missing"));
        Assert.That(config.Plugin("Echo").Settings.At("max").Error("missing").ToString(), Is.EqualTo("plugins.json:1:64: plugins.Echo.settings.max: missing"));
    }

    [Test]
    public void Settings_are_equal_wherever_they_stand_and_however_they_are_laid_out()
    {
        Assert.That(Read("""{ "a": 1, "b": [ 2 ] }"""), Is.EqualTo(Read("{ \"b\":\n [ 2 ],\n \"a\": 1 }")));
        Assert.That(Read("""{ "a": 1 }"""), Is.Not.EqualTo(Read("""{ "a": 2 }""")));
        Assert.That(Read("""{ "a": null }"""), Is.Not.EqualTo(Read("""{ }""")));
    }

    private static ConfigSettings Read(string settings)
    {
        var result = ConfigReader.ReadText(Around(settings), "plugins.json");
        Assert.That(result.Errors, Is.Empty);
        return result.Config!.Endpoints[0].Settings;
    }

    private static string Around(string settings) => $$"""{ "endpoints": [ { "port": 7000, "plugin": "Echo", "settings": {{settings}} } ] }""";

    private static string At(ConfigError error) => string.Join('\n', Around(Settings).Split('\n')[(error.Line - 1)..])[(error.Column - 1)..];
}
