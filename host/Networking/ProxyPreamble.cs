using System.IO.Pipelines;
using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>Reads the PROXY header that a connection begins with, as far as the endpoint asks for one and the peer may send one.</summary>
internal static class ProxyPreamble
{
    /// <param name="input">Left behind the header; at its start where there is none.</param>
    /// <param name="config">Of the endpoint.</param>
    /// <param name="peer">Who has really connected; null is a Unix socket, whose file's permissions say who is trusted.</param>
    /// <returns>The header, null where there need be none; or why the peer gets no further.</returns>
    /// <exception cref="ConnectionClosedException">The connection has ended.</exception>
    public static async ValueTask<(ProxyHeader? Header, Rejection? Rejection)> ReadAsync(PipeReader input, EndpointConfig config, UInt128? peer)
    {
        var isTrusted = peer is not { } address || config.TrustedProxies.Contains(address);
        if (!isTrusted && config.ProxyProtocol == ProxyKind.Required)
        {
            return (null, new Rejection(RejectReason.UntrustedProxy));
        }

        while (true)
        {
            var read = await input.ReadAsync(CancellationToken.None).ConfigureAwait(false);
            var verdict = ProxyHeaderParser.Parse(read.Buffer, out var header, out var after, out var fault);
            var hasEnded = verdict == ProxyVerdict.NeedsMore && read.IsCompleted;
            if (verdict == ProxyVerdict.NeedsMore && !hasEnded)
            {
                input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                continue;
            }

            var isEmpty = read.Buffer.IsEmpty;

            // Behind the header, or at the start: nothing is taken from the handler.
            input.AdvanceTo(after);
            return verdict switch
            {
                ProxyVerdict.Complete when isTrusted => (header, null),
                ProxyVerdict.Complete => (null, new Rejection(RejectReason.UntrustedProxy)),
                ProxyVerdict.Broken when isTrusted => (null, new Rejection(RejectReason.ProxyHeader, fault)),
                ProxyVerdict.Broken => (null, new Rejection(RejectReason.UntrustedProxy)),
                _ when config.ProxyProtocol == ProxyKind.Optional => (null, null),
                _ when isEmpty => (null, new Rejection(RejectReason.Left)),
                _ when hasEnded => (null, new Rejection(RejectReason.ProxyHeader, "it ended within the header")),
                _ => (null, new Rejection(RejectReason.ProxyHeader, "the connection begins with something else")),
            };
        }
    }
}
