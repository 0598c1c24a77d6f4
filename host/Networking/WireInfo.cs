namespace PluginServer.Networking;

/// <summary>What the kernel knows of a TCP connection, beyond what the host has sent and received.</summary>
/// <param name="Bytes">That reached the kernel from the peer, and the peer from the kernel; 0 where the system does not tell.</param>
/// <param name="Quiet">How long none was sent or received; null where the system does not tell.</param>
internal readonly record struct WireInfo(long Bytes, TimeSpan? Quiet)
{
    /// <summary>Of struct tcp_info; older kernels fill less of it.</summary>
    public const int Length = 136;

    /// <summary>linux/tcp.h: tcpi_bytes_acked, tcpi_bytes_received, and tcpi_last_data_sent and tcpi_last_data_recv in milliseconds.</summary>
    public static WireInfo Of(ReadOnlySpan<byte> info) => new(
        BitConverter.ToInt64(info[120..]) + BitConverter.ToInt64(info[128..]),
        TimeSpan.FromMilliseconds(Math.Min(BitConverter.ToUInt32(info[44..]), BitConverter.ToUInt32(info[52..]))));
}
