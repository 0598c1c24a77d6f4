using System.Runtime;
using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Plugins;

/// <summary>What the host asks the runtime for stops nobody, whatever the heap looks like.</summary>
[NonParallelizable]
internal sealed class BackgroundCollectionTests
{
    [Test]
    public async Task It_is_not_made_a_blocking_one_by_an_old_generation_that_is_mostly_holes()
    {
        BackgroundCollection.Enable();
        using var blocking = new BlockingCollections();
        var arrays = new byte[400_000][];
        for (var index = 0; index < arrays.Length; index++)
        {
            arrays[index] = new byte[128];
        }

        GC.Collect();
        GC.Collect();
        for (var index = 0; index < arrays.Length; index++)
        {
            arrays[index] = index % 5 == 0 ? arrays[index] : [];
        }

        var from = BlockingCollections.Last;
        for (var round = 0; round < 3; round++)
        {
            var before = GC.GetGCMemoryInfo(GCKind.Background).Index;
            BackgroundCollection.Start();
            await Deadline.UntilAsync(() => GC.GetGCMemoryInfo(GCKind.Background).Index > before, "a collection in the background");
        }

        var end = BlockingCollections.Last;
        GC.Collect();
        Assert.That(await blocking.BetweenAsync(from, end), Is.Empty);

        // The hosts of other tests collect, too.
        await Deadline.UntilAsync(() => GCSettings.LatencyMode == GCLatencyMode.Interactive, "the mode is as it was");
        GC.KeepAlive(arrays);
    }
}
