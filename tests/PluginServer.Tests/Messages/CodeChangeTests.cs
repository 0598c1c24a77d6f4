using System.Globalization;
using PluginServer.Networking;
using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Messages;

/// <summary>Live connections move to another build between two messages, or stay where they are as if nothing had happened.</summary>
internal sealed class CodeChangeTests
{
    [Test]
    public async Task A_connection_that_waits_moves_with_its_state_and_the_old_build_is_unloaded([Values("epoll", "sockets")] string transport)
    {
        await using var site = await MessageSite.StartAsync("CountHandler", transport: transport);
        using var client = await site.ConnectAsync("welcome");
        Assert.That(await MessageSite.AskAsync(client, "a"), Is.EqualTo("1 a 1"));
        await site.SwapAsync("2");
        await site.ServedByAsync(2);
        await Deadline.UntilAsync(() => Generation(site, 1).State == GenerationState.Unloaded, "nothing is left of the first build, while its connection lives");
        Assert.That(await MessageSite.AskAsync(client, "b"), Is.EqualTo("2 b 2"));
        Assert.That(await MessageSite.AskAsync(client, "from"), Is.EqualTo("1 1.0.0"));
        Assert.That(site.Server.Endpoint().Counters.Accepted, Is.EqualTo(1));
    }

    [Test]
    public async Task Half_a_message_and_messages_that_wait_go_along([Values("epoll", "sockets")] string transport)
    {
        await using var site = await MessageSite.StartAsync("CountHandler", transport: transport);
        using var client = await site.ConnectAsync("welcome");
        await client.SendAsync("hal");
        await Deadline.UntilAsync(() => Only(site).Handler is IMessageLoop { IsWithin: true }, "half a message is read");
        await site.SwapAsync("2");
        await site.ServedByAsync(2);
        await client.SendAsync("f\nwhole\n");
        Assert.That((await client.ReadLineAsync(), await client.ReadLineAsync()), Is.EqualTo(("1 half 2", "2 whole 2")));
    }

    [Test]
    public async Task A_build_that_fails_to_convert_leaves_the_connection_as_it_was_and_the_next_one_takes_it()
    {
        await using var site = await MessageSite.StartAsync("CountHandler");
        using var client = await site.ConnectAsync("welcome");
        Assert.That(await MessageSite.AskAsync(client, "a"), Is.EqualTo("1 a 1"));
        await site.SwapAsync("fails");
        await Deadline.UntilAsync(() => site.Server.Endpoint().Counters.HandlerFaults == 1, "the failure is counted");
        await site.ServedByAsync(1);
        Assert.That(await MessageSite.AskAsync(client, "b"), Is.EqualTo("2 b 1"));
        Assert.That(await MessageSite.AskAsync(client, "keys"), Is.EqualTo("build count"));
        Assert.That(site.Server.Log.Single(line => line.Contains("this build converts nothing", StringComparison.Ordinal)), Does.Contain("generation 2"));
        using var later = await site.ConnectAsync("welcome");
        Assert.That(await MessageSite.AskAsync(later, "a"), Is.EqualTo("1 a fails"), "who comes anew is served by it");

        await site.SwapAsync("3");
        await site.ServedByAsync(3, connections: 2);
        Assert.That(await MessageSite.AskAsync(client, "from"), Is.EqualTo("1 1.0.0"));
        Assert.That(await MessageSite.AskAsync(client, "c"), Is.EqualTo("5 c 3"));
        Assert.That(await MessageSite.AskAsync(later, "from"), Is.EqualTo("fails 1.0.0"));
        await Deadline.UntilAsync(() => Generation(site, 1).State == GenerationState.Unloaded && Generation(site, 2).State == GenerationState.Unloaded, "both are unloaded");
    }

    [Test]
    public async Task A_rollback_moves_them_back()
    {
        await using var site = await MessageSite.StartAsync("CountHandler");
        using var client = await site.ConnectAsync("welcome");
        await site.SwapAsync("2");
        await site.ServedByAsync(2);
        Assert.That((await site.Server.Reloader.RollbackAsync("Messages").Within()).Errors, Is.Empty);
        await site.ServedByAsync(3);
        Assert.That(await MessageSite.AskAsync(client, "a"), Is.EqualTo("1 a 1"));
        Assert.That(await MessageSite.AskAsync(client, "from"), Is.EqualTo("2 1.0.0"));
    }

    [Test]
    public async Task Who_does_not_take_part_stays_with_its_build()
    {
        await using var site = await MessageSite.StartAsync("StayHandler");
        using var client = await site.ConnectAsync();
        Assert.That(await MessageSite.AskAsync(client, "a"), Is.EqualTo("1 a"));
        await site.SwapAsync("2");
        using var later = await site.ConnectAsync();
        Assert.That(await MessageSite.AskAsync(later, "a"), Is.EqualTo("2 a"));
        Assert.That(await MessageSite.AskAsync(client, "b"), Is.EqualTo("1 b"));
    }

    [Test]
    public async Task Another_handler_takes_nobody_over()
    {
        await using var site = await MessageSite.StartAsync("CountHandler");
        using var client = await site.ConnectAsync("welcome");
        await site.SwapAsync("2", handler: "RoomHandler");
        Assert.That(await MessageSite.AskAsync(client, "a"), Is.EqualTo("1 a 1"));
        Assert.That(site.Server.Endpoint().Counters.HandlerFaults, Is.Zero);
    }

    [Test]
    public async Task A_drain_does_not_end_those_who_move_and_ends_those_who_cannot()
    {
        var time = new ManualTime();
        await using var site = await MessageSite.StartAsync("CountHandler", time: time);
        using var client = await site.ConnectAsync("welcome");
        await site.SwapAsync("2", """{ "Messages": { "drainTimeout": "00:00:10" } }""");
        await site.ServedByAsync(2);
        Assert.That(await MessageSite.AskAsync(client, "a"), Is.EqualTo("1 a 2"));
        await site.SwapAsync("fails", """{ "Messages": { "drainTimeout": "00:00:10" } }""");
        Assert.That(await client.ReadTextToEndAsync(), Is.Empty, "it stays with a build that drains, and so finishes");
        client.Dispose();
        await Deadline.UntilAsync(() => site.Server.Endpoint().Counters.Ended == 1, "ended");
        Assert.That(site.Server.Endpoint().Counters.EndedByCause[(int)CloseCause.None], Is.EqualTo(1));
    }

    [Test]
    public async Task A_third_build_that_comes_during_a_move_gets_it_too()
    {
        await using var site = await MessageSite.StartAsync("CountHandler");
        using var client = await site.ConnectAsync("welcome");
        await site.SwapAsync("slow");
        await Deadline.UntilAsync(() => Only(site) is { IsAskedToMove: true, IsMoving: false }, "it is on its way");
        await site.SwapAsync("3");
        Assert.That(Only(site).Generation.Number, Is.EqualTo(1));
        await File.WriteAllTextAsync(Path.Combine(site.Server.Workspace.Root, "state", "plugins", "Messages", "go"), "");
        await site.ServedByAsync(3);
        Assert.That(await MessageSite.AskAsync(client, "a"), Is.EqualTo("1 a 3"));
        Assert.That(await MessageSite.AskAsync(client, "from"), Is.EqualTo("slow 1.0.0"));
        await Deadline.UntilAsync(() => Generation(site, 1).State == GenerationState.Unloaded && Generation(site, 2).State == GenerationState.Unloaded, "both are unloaded");
    }

    [Test]
    public async Task It_moves_to_the_threads_of_its_new_build()
    {
        await using var site = await MessageSite.StartAsync("CountHandler");
        using var client = await site.ConnectAsync("welcome");
        await site.SwapAsync("2", """{ "Messages": { "dispatch": "own" } }""");
        await site.ServedByAsync(2);
        Assert.That(await MessageSite.AskAsync(client, "a"), Is.EqualTo("1 a 2"));
        Assert.That(Generation(site, 2).Dispatch.Threads, Is.GreaterThan(0));
    }

    /// <summary>50 swaps and 100,000 messages at full size.</summary>
    [Test]
    [Category("Long")]
    public async Task Nothing_is_lost_or_doubled_or_out_of_order_over_many_swaps([Values("epoll", "sockets")] string transport)
    {
        var swaps = int.Parse(Environment.GetEnvironmentVariable("PLUGINSERVER_CODE_CHANGES") ?? "5", CultureInfo.InvariantCulture);
        var messages = int.Parse(Environment.GetEnvironmentVariable("PLUGINSERVER_MESSAGES") ?? "10000", CultureInfo.InvariantCulture);
        await using var site = await MessageSite.StartAsync("CountHandler", transport: transport);
        using var client = await site.ConnectAsync("welcome");
        var replies = 0;
        var builds = new List<string>();
        var reading = ReadAsync();
        for (var swap = 1; swap <= swaps; swap++)
        {
            var due = swap;
            await SendAsync((int)((long)messages * (swap - 1) / swaps), (int)((long)messages * swap / swaps));
            await site.SwapAsync(string.Create(CultureInfo.InvariantCulture, $"{swap + 1}"));
            Scrape.Of(site.Server.Server).AssertBalanced();
            await Deadline.UntilAsync(() => Only(site).Generation.Number > due - 1, "it moves on");
        }

        await reading.Within();
        await site.ServedByAsync(swaps + 1);
        Assert.That(await MessageSite.AskAsync(client, "last"), Is.EqualTo(string.Create(CultureInfo.InvariantCulture, $"{messages + 1} last {swaps + 1}")));
        Assert.That(builds.Select(int.Parse), Is.Ordered);
        TestContext.Out.WriteLine($"{messages} messages over {swaps} swaps; answered by {builds.Count} builds");
        await Deadline.UntilAsync(() => site.Server.Server.Generations.Where(generation => generation.Number <= swaps).All(generation => generation.State == GenerationState.Unloaded), "every replaced build is unloaded");

        async Task SendAsync(int from, int to)
        {
            const int Together = 97;
            for (var next = from; next < to; next += Together)
            {
                await client.SendAsync(string.Concat(Enumerable.Range(next, Math.Min(Together, to - next)).Select(number => string.Create(CultureInfo.InvariantCulture, $"m{number}\n"))));
            }
        }

        async Task ReadAsync()
        {
            using var reader = new StreamReader(new System.Net.Sockets.NetworkStream(client.Socket, ownsSocket: false));
            for (; replies < messages; replies++)
            {
                var words = ((await reader.ReadLineAsync(Deadline.Token)) ?? "").Split(' ');
                Assert.That(words[..2], Is.EqualTo([(replies + 1).ToString(CultureInfo.InvariantCulture), $"m{replies}"]));
                if (builds.LastOrDefault() != words[2])
                {
                    builds.Add(words[2]);
                }
            }
        }
    }

    /// <summary>Clients that come and go while builds are replaced.</summary>
    [Test]
    public async Task Whoever_comes_during_a_swap_ends_with_the_newest_build()
    {
        await using var site = await MessageSite.StartAsync("CountHandler");
        using var stop = new CancellationTokenSource();
        var kept = new List<Client>();
        var coming = ComeAsync();
        for (var build = 2; build <= 8; build++)
        {
            await site.SwapAsync(string.Create(CultureInfo.InvariantCulture, $"{build}"));
            Scrape.Of(site.Server.Server).AssertBalanced();
        }

        await stop.CancelAsync();
        await coming.Within();
        await Deadline.UntilAsync(() => site.Server.Endpoint().Connections.All.All(connection => connection.Generation.Number == 8), "all are served by the newest");
        foreach (var client in kept)
        {
            Assert.That(await MessageSite.AskAsync(client, "a"), Is.EqualTo("2 a 8"));
            client.Dispose();
        }

        await Deadline.UntilAsync(() => site.Server.Server.Generations.Where(generation => generation.Number < 8).All(generation => generation.State == GenerationState.Unloaded), "the others are unloaded");
        await site.Server.AssertNothingLeftAsync();

        async Task ComeAsync()
        {
            while (!stop.IsCancellationRequested || kept.Count < 20)
            {
                var client = await site.ConnectAsync("welcome");
                Assert.That(await MessageSite.AskAsync(client, "x"), Does.StartWith("1 x "));
                if (kept.Count < 200)
                {
                    kept.Add(client);
                }
                else
                {
                    client.Dispose();
                }
            }
        }
    }

    private static ServedConnection Only(MessageSite site) => site.Server.Endpoint().Connections.All.Single();

    private static PluginGeneration Generation(MessageSite site, int number) => site.Server.Server.Generations.Single(generation => generation.Number == number);
}
