using Newtonsoft.Json.Linq;
using NJsonSchema;
using PluginServer.Configuration;

namespace PluginServer.Tests.Configuration;

/// <summary>plugins.schema.json and the reader say the same.</summary>
internal sealed class SchemaTests
{
    private static string File => Path.Combine(Repository.Root, "plugins.schema.json");

    [Test]
    public void The_schema_is_written_from_the_table_of_keys() => Golden.Compare(SchemaText.Write(), File);

    [Test]
    public void Schema_and_reader_know_the_same_keys()
    {
        var schema = JObject.Parse(System.IO.File.ReadAllText(File));
        Assert.That(Keys(schema, ""), Is.EquivalentTo(ConfigKeys.All.Select(key => key.Path)));
    }

    [Test]
    public void Every_key_is_described_in_one_sentence_and_no_two_are_the_same()
    {
        Assert.That(ConfigKeys.All.Select(key => key.Path), Is.Unique);
        Assert.That(ConfigKeys.All.Where(key => !key.Description.EndsWith('.') || key.Description.Length is < 10 or > 160).Select(key => key.Path), Is.Empty);
    }

    [TestCase("plugins.json")]
    [TestCase("tests/PluginServer.Tests/Configuration/full.json")]
    [TestCase("tests/PluginServer.Tests/Configuration/everything.json")]
    public async Task The_schema_accepts(string file)
    {
        var schema = await JsonSchema.FromFileAsync(File).ConfigureAwait(false);
        var errors = schema.Validate(JToken.Parse(System.IO.File.ReadAllText(Path.Combine(Repository.Root, file))));
        Assert.That(errors.Select(error => error.ToString()), Is.Empty);
    }

    [TestCase("unknown-keys")]
    [TestCase("wrong-types")]
    [TestCase("out-of-range")]
    [TestCase("missing-keys")]
    [TestCase("no-endpoints")]
    [TestCase("durations")]
    [TestCase("choices")]
    [TestCase("names")]
    [TestCase("addresses")]
    [TestCase("tls")]
    public async Task The_schema_refuses_what_the_reader_refuses(string broken)
    {
        var schema = await JsonSchema.FromFileAsync(File).ConfigureAwait(false);
        var errors = schema.Validate(JToken.Parse(System.IO.File.ReadAllText(Path.Combine(Golden.Folder, "broken", $"{broken}.json"))));
        Assert.That(errors, Is.Not.Empty);
    }

    private static IEnumerable<string> Keys(JToken schema, string path)
    {
        foreach (var property in (schema["properties"] as JObject ?? []).Properties())
        {
            var below = path.Length == 0 ? property.Name : $"{path}.{property.Name}";
            yield return below;
            foreach (var key in Keys(property.Value, below))
            {
                yield return key;
            }
        }

        foreach (var (entry, suffix) in new[] { (schema["items"], "[]"), (schema["additionalProperties"] as JObject, ".*") })
        {
            if (entry is not null)
            {
                yield return path + suffix;
                foreach (var key in Keys(entry, path + suffix))
                {
                    yield return key;
                }
            }
        }
    }
}
