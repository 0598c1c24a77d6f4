using Microsoft.Extensions.Logging.Abstractions;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;
using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Plugins;

/// <summary>Leases against retirement: no lease is ever granted on what is already let go.</summary>
internal sealed class HandlerSlotTests
{
    private readonly Workspace _workspace = new();

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [Test]
    public void An_emptied_slot_gives_no_lease()
    {
        var slot = new HandlerSlot(Bind(Load()));
        slot.Exchange(null);
        Assert.That(slot.Lease(), Is.Null);
    }

    [Test]
    public async Task A_retired_generation_grants_no_lease_and_waits_for_the_last_one()
    {
        var generation = Load();
        Assert.That(generation.TryLease(), Is.True);
        var retirement = generation.RetireAsync();
        Assert.That(generation.RetireAsync(), Is.SameAs(retirement));
        Assert.That(generation.State, Is.EqualTo(GenerationState.Draining));
        Assert.That(generation.TryLease(), Is.False);
        generation.ReturnLease();
        await Deadline.UntilAsync(() => generation.State is GenerationState.Unloading or GenerationState.Unloaded, "the last lease was given back");
        Assert.That(() => generation.Loaded, Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public async Task A_storm_of_leases_over_an_exchange_always_holds_a_generation_that_is_still_loaded()
    {
        var generations = Enumerable.Range(0, 20).Select(_ => Load()).ToList();
        var slot = new HandlerSlot(Bind(generations[0]));
        var broken = 0;
        using var done = new CancellationTokenSource();
        var takers = Enumerable.Range(0, 4).Select(taker => Task.Run(() =>
        {
            while (!done.IsCancellationRequested)
            {
                var binding = slot.Lease()!;
                try
                {
                    _ = binding.Generation.Loaded;
                }
                catch (ObjectDisposedException)
                {
                    Interlocked.Increment(ref broken);
                }

                binding.Generation.ReturnLease();
            }
        })).ToList();
        foreach (var next in generations.Skip(1))
        {
            var before = slot.Exchange(Bind(next))!.Generation;
            _ = before.RetireAsync();
            await Deadline.UntilAsync(() => before.State is GenerationState.Unloading or GenerationState.Unloaded, "retired under the storm");
        }

        await done.CancelAsync();
        await Task.WhenAll(takers).Within();
        Assert.That(broken, Is.Zero);
        Assert.That(generations.Sum(generation => generation.Leases), Is.Zero);
    }

    private PluginGeneration Load()
    {
        _workspace.With("Echo").Configure("""[ { "name": "test", "port": 0, "plugin": "Echo" } ]""");
        var prepared = new PluginPreparation(new PluginStore(Path.Combine(_workspace.Root, "state")), NullLoggerFactory.Instance, new EventStream(TimeProvider.System), TimeProvider.System, new LastingObjects(static () => new ConnectionGroups())).Prepare(ConfigReader.Read(_workspace.ConfigFile).Config!, PresentPlugins.None, new Dictionary<string, PluginBuild>());
        Assert.That(prepared.Errors, Is.Empty);
        return prepared.Generations["Echo"];
    }

    private HandlerBinding Bind(PluginGeneration generation)
    {
        var errors = new List<ConfigError>();
        var endpoint = ConfigReader.Read(_workspace.ConfigFile).Config!.Endpoints[0];
        return HandlerBinder.Bind(generation, "PluginServer.Plugins.Echo.EchoHandler", endpoint, errors) ?? throw new InvalidOperationException(string.Join('\n', errors));
    }
}
