using System.Runtime.Versioning;
using PluginServer.Configuration;

namespace PluginServer.Tests.Configuration;

/// <summary>Files that cannot be read as such.</summary>
internal sealed class ReadFileTests
{
    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_file_that_is_not_there_is_named_in_full()
    {
        var file = Path.Combine(_folder, "plugins.json");
        Assert.That(Error(file), Is.EqualTo($"{file}:1:1: there is no such file ({file}); create it, or name another with --config"));
        Assert.That(Error(Path.Combine(_folder, "no", "plugins.json")), Does.Contain("no such file"));
    }

    [Test]
    public void A_directory_is_called_one() => Assert.That(Error(_folder), Is.EqualTo($"{_folder}:1:1: this is a directory, expected a JSON file"));

    [Test]
    public void No_name_is_an_error_too() => Assert.That(Error(""), Is.EqualTo(":1:1: no file is named, expected the path of a plugins.json"));

    [Test]
    [UnsupportedOSPlatform("windows")]
    public void A_file_that_this_user_may_not_read_is_reported()
    {
        var file = Write("{}"u8);
        File.SetUnixFileMode(file, UnixFileMode.None);
        Assume.That(Environment.UserName, Is.Not.EqualTo("root"), "root may read everything");
        Assert.That(Error(file), Does.EndWith("this user may not read the file; change its permissions"));
    }

    [Test]
    public void A_byte_that_is_no_UTF8_has_its_place() =>
        Assert.That(Error(Write([.. "{\n  \"é\": \""u8, 0xE4, .. "\" }"u8])), Does.EndWith("plugins.json:2:9: this is no UTF-8 text, expected JSON in UTF-8"));

    [Test]
    public void A_byte_order_mark_takes_no_column()
    {
        Assert.That(ConfigReader.Read(Write([0xEF, 0xBB, 0xBF, .. "{ \"endpoints\": [] }"u8])).Errors, Is.Empty);
        Assert.That(Error(Write([0xEF, 0xBB, 0xBF, .. "{ \"endpoints\": {} }"u8])), Does.Contain(":1:16: endpoints:"));
    }

    [Test]
    public void Errors_show_the_file_as_it_was_named()
    {
        var file = Path.GetRelativePath(Environment.CurrentDirectory, Write("[]"u8));
        Assert.That(Error(file), Does.StartWith($"{file}:1:1: "));
    }

    [Test]
    public void No_damage_to_a_file_goes_beyond_an_error([Values("full.json", "everything.json")] string name, [Values("", "\"", "{", "]", ",", "/*", "\\", "\0", "7", "'")] string inserted)
    {
        var text = File.ReadAllText(Path.Combine(Golden.Folder, name));
        for (var at = 0; at < text.Length; at += 7)
        {
            foreach (var damaged in new[] { text[..at] + inserted, text.Remove(at, 1).Insert(at, inserted) })
            {
                var lines = damaged.Split('\n');
                var result = ConfigReader.ReadText(damaged, "plugins.json");
                Assert.That(result.Config is null, Is.EqualTo(result.Errors.Count > 0));
                Assert.That(result.Errors.Where(error => error.Line > lines.Length || error.Column > lines[error.Line - 1].Length + 1), Is.Empty, damaged);
            }
        }
    }

    private static string Error(string file) => ConfigReader.Read(file).Errors.Single().ToString();

    private string Write(ReadOnlySpan<byte> content)
    {
        var file = Path.Combine(_folder, "plugins.json");
        File.WriteAllBytes(file, content);
        return file;
    }
}
