using PluginServer.Configuration;

namespace PluginServer.Tests.Configuration;

/// <summary>Which endpoints go together.</summary>
internal sealed class EndpointRuleTests
{
    [TestCase("*", "*", true)]
    [TestCase("*", "127.0.0.1", true)]
    [TestCase("::1", "*", true)]
    [TestCase("::", "*", true)]
    [TestCase("::", "::1", true)]
    [TestCase("0.0.0.0", "127.0.0.1", true)]
    [TestCase("127.0.0.1", "127.0.0.1", true)]
    [TestCase("::1", "0:0:0:0:0:0:0:1", true)]
    [TestCase("127.0.0.1", "127.0.0.2", false)]
    [TestCase("::", "0.0.0.0", false)]
    [TestCase("127.0.0.1", "::1", false)]
    public void Addresses_on_one_port_overlap(string one, string other, bool overlap)
    {
        Assert.That(Errors($$"""{ "port": 7000, "plugin": "A", "address": "{{one}}" }, { "port": 7000, "plugin": "B", "address": "{{other}}" }"""), Has.Count.EqualTo(overlap ? 1 : 0));
        Assert.That(Errors($$"""{ "port": 7000, "plugin": "A", "address": "{{one}}" }, { "port": 7001, "plugin": "B", "address": "{{other}}" }"""), Is.Empty);
    }

    [Test]
    public void Port_0_overlaps_nothing() => Assert.That(Errors("""{ "port": 0, "plugin": "A" }, { "port": 0, "plugin": "B" }, { "port": 0, "plugin": "A", "name": "a" }"""), Is.Empty);

    [Test]
    public void An_overlap_names_the_line_of_the_other() => Assert.That(
        Errors("{ \"port\": 7000, \"plugin\": \"A\" },\n\n{ \"port\": 7000, \"plugin\": \"A\" }").Single().ToString(),
        Is.EqualTo("plugins.json:3:11: endpoints[1].port: *:7000 overlaps *:7000 of endpoints[0] at line 1; give one of them another port or address"));

    [TestCase("""{ "port": 0, "plugin": "A" }, { "port": 0, "plugin": "A" }""")]
    [TestCase("""{ "port": 0, "plugin": "A", "name": "a" }, { "port": 0, "plugin": "A" }""")]
    public void A_second_port_0_of_one_plugin_needs_a_name(string endpoints) => Assert.That(Errors(endpoints).Single().Path, Is.EqualTo("endpoints[1].name"));

    [TestCase("""{ "port": 1, "plugin": "A", "name": "x" }, { "port": 2, "plugin": "A", "name": "x" }""")]
    [TestCase("""{ "port": 1, "plugin": "A", "name": "A:2" }, { "port": 2, "plugin": "A" }""")]
    [TestCase("""{ "port": 1, "plugin": "A", "address": "127.0.0.1" }, { "port": 1, "plugin": "A", "address": "127.0.0.2" }""")]
    public void Names_are_unique(string endpoints) => Assert.That(Errors(endpoints).Single().Path, Is.EqualTo("endpoints[1].name"));

    [Test]
    public void What_is_wrong_in_itself_is_reported_once() =>
        Assert.That(Errors("""{ "port": 0, "plugin": "A" }, { "port": 0, "plugin": "A", "name": "" }, { "port": 0, "plugin": "", "name": "b" }"""), Has.Count.EqualTo(2));

    private static IReadOnlyList<ConfigError> Errors(string endpoints) => ConfigReader.ReadText($$"""{ "endpoints": [{{endpoints}}] }""", "plugins.json").Errors;
}
