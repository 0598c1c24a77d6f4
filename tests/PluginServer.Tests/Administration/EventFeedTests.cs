using System.Diagnostics;
using Newtonsoft.Json;
using PluginServer.Administration;
using PluginServer.Diagnostics;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>What happens to the host, as those who follow it get it.</summary>
internal sealed class EventFeedTests
{
    /// <summary>Well below the time that the end of the endpoint waits for calls under way.</summary>
    private static readonly TimeSpan Quick = TimeSpan.FromSeconds(3);

    [Test]
    public async Task Who_follows_gets_the_last_ones_and_then_each_as_it_happens()
    {
        await using var face = await AdminFace.StartAsync();
        Publish(face, 1, EventStream.Kept + 5);
        using var client = await EventClient.FollowAsync(face);
        Assert.That(client.Response.Content.Headers.ContentType!.ToString(), Is.EqualTo("text/event-stream"));
        Assert.That(client.Response.Headers.CacheControl!.ToString(), Is.EqualTo("no-store"));
        Assert.That(await client.TextsAsync(EventStream.Kept), Is.EqualTo(Texts(6, EventStream.Kept + 5)));
        Publish(face, 206, 1);
        Publish(face, 207, 1);
        Assert.That(await client.TextsAsync(2), Is.EqualTo(Texts(206, 207)));
    }

    [TestCase("203", 204)]
    [TestCase("205", 206)]
    [TestCase("9999", 6)]
    [TestCase("205000000000000000000", 6)]
    [TestCase("-1", 6)]
    [TestCase("last", 6)]
    [TestCase("0", 6)]
    public async Task Who_comes_back_goes_on_after_the_last_one_that_it_has_unless_that_was_of_a_former_host(string last, int first)
    {
        await using var face = await AdminFace.StartAsync();
        Publish(face, 1, 205);
        using var client = await EventClient.FollowAsync(face, last);
        Publish(face, 206, 1);
        Assert.That(await client.TextsAsync(207 - first), Is.EqualTo(Texts(first, 206)));
    }

    [Test]
    public async Task An_event_has_the_shape_that_programs_rely_on_and_is_one_line_whatever_it_says()
    {
        await using var face = await AdminFace.StartAsync();
        face.Events.Publish(HostEventKind.RolledBack, "two\nlines\r\nand \u2028 more", "Echo", 7, "echo");
        face.Events.Publish(HostEventKind.Stopping, "on SIGTERM");
        using var client = await EventClient.FollowAsync(face);
        var first = await client.NextAsync();
        Assert.That((string?)first["at"], Does.Match(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"));
        first["at"] = "now";
        Assert.That(first.ToString(Formatting.None), Is.EqualTo("""{"number":1,"at":"now","kind":"rolledBack","endpoint":"echo","plugin":"Echo","generation":7,"text":"two\nlines\r\nand \u2028 more"}"""));
        var second = await client.NextAsync();
        second["at"] = "now";
        Assert.That(second.ToString(Formatting.None), Is.EqualTo("""{"number":2,"at":"now","kind":"stopping","endpoint":null,"plugin":null,"generation":null,"text":"on SIGTERM"}"""));
    }

    [Test]
    public async Task Where_nothing_happens_a_sign_of_life_comes_every_quarter_of_a_minute()
    {
        var time = new ManualTime();
        await using var face = await AdminFace.StartAsync(time: time);
        using var client = await EventClient.FollowAsync(face);
        for (var round = 0; round < 3; round++)
        {
            await Deadline.UntilAsync(() => time.NextDue == EventFeed.Silence, "silence is measured");
            time.Advance(EventFeed.Silence);
            Assert.That(await client.CommentAsync(), Is.EqualTo("the host is there"));
        }

        Assert.That(EventFeed.Silence, Is.EqualTo(TimeSpan.FromSeconds(15)));
        Publish(face, 1, 1);
        Assert.That(await client.TextsAsync(1), Is.EqualTo(Texts(1, 1)));
        Assert.That(time.Timers, Is.EqualTo(1), "not one for each event");
    }

    [Test]
    public async Task The_end_of_the_endpoint_is_the_end_of_every_stream_and_waits_for_none()
    {
        await using var face = await AdminFace.StartAsync();
        using var silent = await EventClient.FollowAsync(face);
        Publish(face, 1, 1);
        using var told = await EventClient.FollowAsync(face);
        await told.TextsAsync(1);
        await Deadline.UntilAsync(() => face.Events.Followers == 2, "both follow");
        var watch = Stopwatch.StartNew();
        await face.Endpoint.DisposeAsync();
        Assert.That(watch.Elapsed, Is.LessThan(Quick));
        await silent.TextsAsync(1);
        Assert.That(await silent.CommentAsync(), Is.Null);
        Assert.That(await told.CommentAsync(), Is.Null);
        Assert.That(face.Events.Followers, Is.Zero);
        Assert.That(face.Log.Where(line => !line.StartsWith("Information 401", StringComparison.Ordinal)), Is.Empty);
    }

    [Test]
    public async Task Each_of_several_gets_everything()
    {
        await using var face = await AdminFace.StartAsync();
        using var one = await EventClient.FollowAsync(face);
        using var two = await EventClient.FollowAsync(face);
        Publish(face, 1, 50);
        var both = await Task.WhenAll(one.TextsAsync(50), two.TextsAsync(50));
        Assert.That(both, Has.All.EqualTo(Texts(1, 50)));
    }

    [Test]
    public async Task Who_goes_away_leaves_nothing_behind_and_nothing_is_said_of_it()
    {
        var time = new ManualTime();
        await using var face = await AdminFace.StartAsync(time: time);
        for (var round = 0; round < 5; round++)
        {
            using (var client = await EventClient.FollowAsync(face))
            {
                Publish(face, round, 1);
                Assert.That(await client.TextsAsync(round + 1), Has.Count.EqualTo(round + 1));
                Assert.That((face.Events.Followers, time.Timers), Is.EqualTo((1, 1)));
            }

            await Deadline.UntilAsync(() => (face.Events.Followers, time.Timers) == (0, 0), "nothing is left");
        }

        Assert.That(face.Log.Where(line => !line.StartsWith("Information 401", StringComparison.Ordinal)), Is.Empty);
        await face.Endpoint.DisposeAsync();
    }

    private static void Publish(AdminFace face, int first, int count)
    {
        for (var number = first; number < first + count; number++)
        {
            face.Events.Publish(HostEventKind.Applied, $"{number}");
        }
    }

    private static IEnumerable<string> Texts(int first, int last) => Enumerable.Range(first, last - first + 1).Select(number => $"{number}");
}
