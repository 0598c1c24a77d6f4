using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>The last descriptors are not for clients.</summary>
internal sealed class DescriptorReserveTests
{
    [Test]
    public void Without_a_limit_there_is_always_room()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        var reserve = new DescriptorReserve(null);
        reserve.Note(socket);
        Assert.That(reserve.HasRoom(), Is.True);
    }

    [Test]
    public void A_socket_out_of_the_reserve_leaves_no_room_while_no_lower_descriptor_is_free()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        var reserve = new DescriptorReserve(0);
        Assert.That(reserve.HasRoom(), Is.True, "nothing was noted yet");
        reserve.Note(socket);
        Assert.That(reserve.HasRoom(), Is.False);
        Assert.That(reserve.HasRoom(), Is.False);
    }

    [Test]
    public async Task Whoever_waits_is_woken_by_the_next_release_and_by_no_earlier_one()
    {
        var reserve = new DescriptorReserve(null);
        reserve.Release();
        var first = reserve.NextRelease;
        var second = reserve.NextRelease;
        Assert.That(first.IsCompleted || second.IsCompleted, Is.False);
        reserve.Release();
        await first.Within();
        await second.Within();
        Assert.That(reserve.NextRelease.IsCompleted, Is.False);
    }
}
