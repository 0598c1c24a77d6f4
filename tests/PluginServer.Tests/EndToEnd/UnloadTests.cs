using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging.Abstractions;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;
using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Proof that a generation is gone: its load context was collected, without one blocking collection.</summary>
[NonParallelizable]
internal sealed class UnloadTests
{
    private const int Generations = 30;
    private const int Connections = 100;

    [Test]
    public async Task Thirty_rounds_of_loading_serving_and_unloading_leave_no_load_context()
    {
        using var workspace = new Workspace().With("Serializers").Configure(
            """[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Serializers", "handler": "SerializingHandler", "settings": { "kind": "Fancy", "depth": 5 } } ]""");
        var config = ConfigReader.Read(workspace.ConfigFile).Config!;
        var retired = new List<PluginGeneration>();
        for (var round = 0; round < Generations; round++)
        {
            var generation = await ServeAsync(config, workspace);
            retired.Add(generation);
            _ = generation.RetireAsync();
        }

        await Task.WhenAll(retired.Select(generation => generation.RetireAsync())).Within();
        Assert.That(retired.Select(generation => generation.State), Is.All.EqualTo(GenerationState.Unloaded));
        Assert.That(retired.Count(generation => generation.Context.IsAlive), Is.Zero);
    }

    /// <summary>100 swaps at full size, each of a generation that has served with everything that is known to hold one.</summary>
    [Test]
    [Category("Long")]
    public async Task Swaps_of_a_plugin_that_hoards_leave_only_the_last_generation()
    {
        var swaps = int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_UNLOADS"), out var size) ? size : 5;
        var workspace = new Workspace().With("Serializers").Configure(
            """[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Serializers", "handler": "HoardingHandler", "settings": { "kind": "Fancy", "depth": 5 } } ]""",
            """{ "Serializers": { "settings": { "kind": "Fancy", "depth": 2 } } }""");
        await using var server = await TestServer.StartAsync(workspace);
        var before = (Heap: 0L, Assemblies: 0);
        using var blocking = new BlockingCollections();
        var from = BlockingCollections.Last;
        for (var swap = 0; swap < swaps; swap++)
        {
            if (swap == swaps / 2)
            {
                var half = BlockingCollections.Last;
                before = await SampleAsync(server, swap);
                Assert.That(await blocking.BetweenAsync(from, half), Is.Empty, "blocking collections");
                from = BlockingCollections.Last;
            }

            for (var connection = 0; connection < 3; connection++)
            {
                Visit(new IPEndPoint(IPAddress.Loopback, server.Endpoint().Port));
                Assert.That(server.Log.Where(line => line.StartsWith("Error", StringComparison.Ordinal)), Is.Empty);
            }

            await File.WriteAllTextAsync(Path.Combine(workspace.PluginFolder("Serializers"), "build.txt"), $"{swap}");
            Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        }

        await AssertGoneAsync(server);
        var end = BlockingCollections.Last;
        var after = await SampleAsync(server, swaps);
        Assert.That(await blocking.BetweenAsync(from, end), Is.Empty, "blocking collections");
        if (swaps >= 100)
        {
            Assert.That(after.Heap, Is.LessThan(before.Heap * 1.05), "what is made once has been made in the first half");
        }

        Assert.That(after.Assemblies, Is.LessThan(before.Assemblies * 1.05));
        Assert.That(System.Runtime.Loader.AssemblyLoadContext.All.Count(context => context.Name!.StartsWith("Serializers ", StringComparison.Ordinal)), Is.LessThanOrEqualTo(2));
    }

    /// <summary>Without a deadline's timer, which would live on and be taken for what the host keeps.</summary>
    private static void Visit(IPEndPoint server)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = (int)Deadline.Length.TotalMilliseconds };
        socket.Connect(server);
        var buffer = new byte[256];
        Assert.That(socket.Receive(buffer), Is.GreaterThan(0));
        Assert.That(socket.Receive(buffer), Is.Zero);
    }

    /// <summary>With a blocking collection, which is the test's and not the host's; only when everything is gone, so it helps nothing to go.</summary>
    private static async Task<(long Heap, int Assemblies)> SampleAsync(TestServer server, int swaps)
    {
        await AssertGoneAsync(server);
        server.ForgetLog();
        var sample = (Heap: GC.GetTotalMemory(forceFullCollection: true), Assemblies: AppDomain.CurrentDomain.GetAssemblies().Length);
        TestContext.Out.WriteLine($"after {swaps} swaps: heap {sample.Heap >> 10} KiB, {sample.Assemblies} assemblies");
        return sample;
    }

    private static async Task AssertGoneAsync(TestServer server)
    {
        await Deadline.UntilAsync(() => server.Server.Generations.Skip(1).All(generation => generation.State is GenerationState.Unloaded or GenerationState.Leaked), "every replaced generation is gone");
        Assert.That(server.Server.Generations.Skip(1).Select(generation => generation.Leak), Is.All.Null);
    }

    /// <summary>The proof can fail: a context that somebody holds is reported, and as unloaded once it is let go.</summary>
    [Test]
    public async Task A_generation_that_is_held_is_reported_as_leaked_and_later_as_unloaded()
    {
        using var workspace = new Workspace().With("Echo").Configure("""[ { "name": "test", "port": 0, "plugin": "Echo" } ]""");
        var time = new SkippingTime();
        var (generation, held) = Hold(workspace, time);
        var retirement = generation.RetireAsync();
        await Deadline.UntilAsync(() => generation.State == GenerationState.Unloading, "unloading");
        time.Skip(PluginGeneration.LeakAfter);
        await Deadline.UntilAsync(() => generation.State == GenerationState.Leaked, "leaked");
        LetGo(held);
        await retirement.Within();
        Assert.That(generation.State, Is.EqualTo(GenerationState.Unloaded));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static (PluginGeneration Generation, object?[] Held) Hold(Workspace workspace, TimeProvider time)
    {
        var prepared = new PluginPreparation(new PluginStore(Path.Combine(workspace.Root, "state")), NullLoggerFactory.Instance, new EventStream(time), time, new LastingObjects(static () => new ConnectionGroups())).Prepare(ConfigReader.Read(workspace.ConfigFile).Config!, PresentPlugins.None, new Dictionary<string, PluginBuild>());
        Assert.That(prepared.Errors, Is.Empty);
        var generation = prepared.Generations["Echo"];
        return (generation, [generation.Loaded.Assembly]);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void LetGo(object?[] held) => held[0] = null;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<PluginGeneration> ServeAsync(ServerConfig config, Workspace workspace)
    {
        var prepared = new PluginPreparation(new PluginStore(Path.Combine(workspace.Root, "state")), NullLoggerFactory.Instance, new EventStream(TimeProvider.System), TimeProvider.System, new LastingObjects(static () => new ConnectionGroups())).Prepare(config, PresentPlugins.None, new Dictionary<string, PluginBuild>());
        Assert.That(prepared.Errors, Is.Empty);
        var generation = prepared.Generations["Serializers"];
        await generation.Loaded.StartAsync();
        using var transport = DefaultTransport.Create(TimeProvider.System);
        var events = new EventStream(TimeProvider.System);
        using var storms = new StormLog(NullLogger.Instance, events, TimeProvider.System);
        var telemetry = new Telemetry(NullLogger.Instance, storms, events, Instruments: null);
        var places = new Places(1000);
        using var endpoint = new Endpoint(config.Endpoints[0], Listener.Bind(config.Endpoints[0], transport, new SystemdSockets([])), prepared.Bindings["test"], Transports.Of(transport), new ConnectionRunner(TimeProvider.System), places, TimeProvider.System, DescriptorReserve.OfProcess(), telemetry);
        using var stop = new CancellationTokenSource();
        var accepting = new Acceptor(endpoint, places, TimeProvider.System, telemetry).RunAsync(stop.Token, stop.Token);
        for (var connection = 0; connection < Connections; connection++)
        {
            using var client = await Client.ConnectAsync(new IPEndPoint(IPAddress.Loopback, endpoint.Port));
            Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("hello Fancy xxxxx 3 Fancy"));
        }

        await stop.CancelAsync();
        await accepting.Within();
        await endpoint.Connections.WhenEmpty().Within();
        endpoint.Slot.Exchange(null);
        prepared.Bindings.Clear();
        return generation;
    }
}
