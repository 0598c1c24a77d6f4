using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>The last descriptors are not for clients.</summary>
internal sealed class DescriptorReserveTests
{
    private static int Number(Socket socket) => (int)socket.SafeHandle.DangerousGetHandle();

    [Test]
    public void Without_a_limit_there_is_always_room()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        var reserve = new DescriptorReserve(null);
        Assert.That(reserve.Allows(Number(socket)), Is.True);
        Assert.That(reserve.HasRoom(), Is.True);
    }

    [Test]
    public void A_socket_out_of_the_reserve_leaves_no_room_while_no_lower_descriptor_is_free()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        var reserve = new DescriptorReserve(0);
        Assert.That(reserve.HasRoom(), Is.True, "nothing was noted yet");
        Assert.That(reserve.Allows(Number(socket)), Is.False);
        Assert.That(reserve.HasRoom(), Is.False);
        Assert.That(reserve.HasRoom(), Is.False);
    }

    [Test]
    public void There_is_room_again_only_after_there_was_none()
    {
        var none = new DescriptorReserve(0);
        Assert.That(none.HasRoomAgain(), Is.False, "nothing was noted yet");
        none.Allows(int.MaxValue);
        Assert.That(none.HasRoomAgain(), Is.False);
        var plenty = DescriptorReserve.OfProcess();
        plenty.Allows(int.MaxValue);
        Assert.That(plenty.HasRoomAgain(), Is.True);
        Assert.That(plenty.HasRoomAgain(), Is.False, "known by now");
    }

    [Test]
    public void What_others_brought_in_meanwhile_may_stay_but_for_the_last_of_the_reserve()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        var next = (int)socket.SafeHandle.DangerousGetHandle() + 1;
        bool AllowsWith(int spare) => new DescriptorReserve(next + spare).Allows(Number(socket));
        Assert.That(AllowsWith(spare: 0), Is.False, "the last descriptor of all");
        Assert.That(AllowsWith(spare: next), Is.True);
        var least = Enumerable.Range(0, next).First(AllowsWith);
        Assert.That(least, Is.EqualTo(Math.Min(64, (next + least) / 8) / 4), "a quarter of the reserve is kept");
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
