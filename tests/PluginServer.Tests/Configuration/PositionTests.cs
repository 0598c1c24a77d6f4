using System.Collections.Immutable;
using PluginServer.Configuration;

namespace PluginServer.Tests.Configuration;

/// <summary>Where values stand, and where what is not written would.</summary>
internal sealed class PositionTests
{
    private static readonly ConfigPosition Root = new("plugins.json", "", new Dictionary<string, (int, int)>
    {
        [""] = (1, 1),
        ["endpoints"] = (2, 16),
        ["endpoints[0]"] = (3, 5),
        ["endpoints[0].port"] = (3, 15),
        ["plugins"] = (6, 14),
        ["plugins['a.b']"] = (7, 12),
    }.ToImmutableDictionary());

    [TestCase("endpoints[0].port", 3, 15)]
    [TestCase("endpoints[0].settings.limits[1].max", 3, 5)]
    [TestCase("endpoints[7]", 2, 16)]
    [TestCase("plugins['a.b'].settings['c[0].d']", 7, 12)]
    [TestCase("plugins['it\\'s.x']", 6, 14)]
    [TestCase("nowhere", 1, 1)]
    public void The_nearest_value_around_one_that_is_not_written_stands_in(string path, int line, int column) =>
        Assert.That(Root[path].Error("bad"), Is.EqualTo(new ConfigError("plugins.json", line, column, path, "bad")));

    [Test]
    public void Positions_are_built_part_by_part() => Assert.That(Root["endpoints"]["[0]"]["port"].Path, Is.EqualTo("endpoints[0].port"));

    [Test]
    public void A_file_without_any_position_says_its_first_line() =>
        Assert.That(new ConfigPosition("x", "a[0].b", ImmutableDictionary<string, (int, int)>.Empty).Error("bad").ToString(), Is.EqualTo("x:1:1: a[0].b: bad"));

    [TestCase("a.b[0]['c.d'].e", "a.b[0]['c.d']")]
    [TestCase("a.b[0]['c.d']", "a.b[0]")]
    [TestCase("a.b[0]", "a.b")]
    [TestCase("a.b", "a")]
    [TestCase("a", "")]
    [TestCase("['a']", "")]
    [TestCase("a['open", "a")]
    public void What_encloses_a_path_is_all_but_its_last_part(string path, string parent) => Assert.That(JsonPath.Parent(path), Is.EqualTo(parent));

    [Test]
    public void An_endpoint_that_only_moved_is_the_same()
    {
        var one = ConfigReader.ReadText("""{ "endpoints": [ { "port": 7000, "plugin": "Echo", "settings": { "a": 1 } } ] }""", "plugins.json").Config!;
        var other = ConfigReader.ReadText("""

            // moved
            { "endpoints": [ { "settings": { "a": 1 }, "plugin": "Echo", "port": 7000 } ] }
            """, "other.json").Config!;
        Assert.That(one.Endpoints[0], Is.EqualTo(other.Endpoints[0]));
        Assert.That(one.Endpoints[0].GetHashCode(), Is.EqualTo(other.Endpoints[0].GetHashCode()));
        Assert.That(one.Endpoints[0].Position.Line, Is.Not.EqualTo(other.Endpoints[0].Position.Line));
        Assert.That(one.Endpoints[0].Position["port"].Error("taken").ToString(), Is.EqualTo("plugins.json:1:28: endpoints[0].port: taken"));
    }

    [TestCase("{\"endpoints\":\t5}", 1, 15)]
    [TestCase("{\r\n\r\n\"endpoints\": 5}", 3, 14)]
    [TestCase("{\r\"endpoints\":\n5}", 3, 1)]
    [TestCase("{ /* \" { \n */ \"endpoints\" // é \" :\n : /* x */ 5 }", 3, 12)]
    [TestCase("{ \"\\u0065ndpoints\": 5 }", 1, 21)]
    [TestCase("{ \"$schema\": \"\\\"//\\\\\", \"endpoints\": 5 }", 1, 37)]
    [TestCase("{ \"$schema\": \"😀é\", \"endpoints\": true }", 1, 34)]
    [TestCase("{ \"endpoints\": \"a\\\"b\" }", 1, 16)]
    [TestCase("{ \"endpoints\":5,}", 1, 15)]
    public void An_error_points_at_the_first_character(string text, int line, int column)
    {
        var error = ConfigReader.ReadText(text, "plugins.json").Errors.Single();
        Assert.That((error.Path, error.Line, error.Column), Is.EqualTo(("endpoints", line, column)));
    }
}
