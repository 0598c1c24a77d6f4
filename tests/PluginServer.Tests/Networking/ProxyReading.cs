using System.Buffers;
using PluginServer.Networking;

namespace PluginServer.Tests.Networking;

/// <summary>What the parser of PROXY headers says of some bytes.</summary>
/// <param name="Verdict">What they are.</param>
/// <param name="Header">What they say.</param>
/// <param name="Length">How many of them are the header.</param>
/// <param name="Reason">What is wrong.</param>
internal readonly record struct ProxyReading(ProxyVerdict Verdict, ProxyHeader Header, long Length, string Reason)
{
    public static ProxyReading Of(in ReadOnlySequence<byte> received)
    {
        var verdict = ProxyHeaderParser.Parse(received, out var header, out var after, out var reason);
        return new(verdict, header, received.Slice(received.Start, after).Length, reason);
    }

    public static ProxyReading Of(ReadOnlyMemory<byte> received) => Of(new ReadOnlySequence<byte>(received));

    public static ProxyReading NeedsMore => new(ProxyVerdict.NeedsMore, default, 0, "");

    public static ProxyReading Absent => new(ProxyVerdict.Absent, default, 0, "");

    public static ProxyReading Complete(ProxyHeader header, long length) => new(ProxyVerdict.Complete, header, length, "");

    public static ProxyReading Broken(string reason) => new(ProxyVerdict.Broken, default, 0, reason);
}
