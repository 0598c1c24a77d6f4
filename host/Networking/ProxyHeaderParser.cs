using System.Buffers;

namespace PluginServer.Networking;

/// <summary>Understands the header that a proxy sends before the client's first byte: the PROXY protocol, versions 1 and 2, as HAProxy's
/// proxy-protocol.txt defines it.</summary>
/// <remarks>Whether the sender may say such things is for the caller to decide. Whatever the bytes are, nothing is thrown; those beyond the
/// header are the handler's, and not looked at.</remarks>
internal static class ProxyHeaderParser
{
    /// <summary>A longer header is broken as soon as it says its length. Senders keep to one segment of TCP, where 536 bytes always fit; this
    /// leaves room for extensions of their own, while the 65535 that the length could say would let strangers fill memory.</summary>
    public const int MostBytes = ProxyBlock.FixedBytes + ProxyBlock.MostFollowing;

    /// <param name="received">What the connection has begun with, in pieces of any size.</param>
    /// <param name="header">What it says, where it is complete.</param>
    /// <param name="after">Where the header ends, where it is complete; else the start.</param>
    /// <param name="reason">What is wrong with which value, where it is broken; else empty. Safe to log: of what came only printable ASCII is repeated.</param>
    public static ProxyVerdict Parse(in ReadOnlySequence<byte> received, out ProxyHeader header, out SequencePosition after, out string reason)
    {
        header = default;
        after = received.Start;
        reason = "";
        var length = 0;
        var verdict = Signed(received, ProxyBlock.Signature) switch
        {
            ProxyVerdict.Complete => ProxyBlock.Read(received, out header, out length, out reason),
            ProxyVerdict.NeedsMore => ProxyVerdict.NeedsMore,
            _ => Signed(received, ProxyLine.Signature) switch
            {
                ProxyVerdict.Complete => ProxyLine.Read(received, out header, out length, out reason),
                var other => other,
            },
        };
        if (verdict == ProxyVerdict.Complete)
        {
            after = received.GetPosition(length);
        }

        return verdict;
    }

    /// <summary>Whether the bytes begin with a signature; decided by the first one that differs.</summary>
    private static ProxyVerdict Signed(in ReadOnlySequence<byte> received, ReadOnlySpan<byte> signature)
    {
        foreach (var segment in received)
        {
            var common = segment.Span.CommonPrefixLength(signature);
            signature = signature[common..];
            if (signature.IsEmpty)
            {
                return ProxyVerdict.Complete;
            }

            if (common < segment.Length)
            {
                return ProxyVerdict.Absent;
            }
        }

        return ProxyVerdict.NeedsMore;
    }
}
