using System.Buffers;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>What a client says of its versions, of real ones and of others.</summary>
internal sealed class ClientHelloTests
{
    [TestCase(SslProtocols.Tls12, false)]
    [TestCase(SslProtocols.Tls13, true)]
    [TestCase(SslProtocols.Tls12 | SslProtocols.Tls13, true)]
    public async Task A_real_client_is_known_as_soon_as_all_of_it_is_there(SslProtocols versions, bool expected)
    {
        var hello = await CaptureAsync(versions);
        for (var length = 0; length < hello.Length; length++)
        {
            Assert.That(ClientHello.KnowsTls13(new ReadOnlySequence<byte>(hello, 0, length)), Is.Null, $"{length} bytes");
        }

        Assert.That(ClientHello.KnowsTls13(new ReadOnlySequence<byte>(hello)), Is.EqualTo(expected));
        Assert.That(ClientHello.KnowsTls13(new ReadOnlySequence<byte>([.. hello, 1, 2, 3])), Is.EqualTo(expected));
        Assert.That(ClientHello.KnowsTls13(InPieces(hello)), Is.EqualTo(expected));
    }

    [Test]
    public async Task No_damage_to_it_goes_beyond_a_wrong_answer()
    {
        var hello = await CaptureAsync(SslProtocols.Tls12 | SslProtocols.Tls13);
        for (var at = 0; at < hello.Length; at++)
        {
            foreach (var value in new byte[] { 0, 1, 2, 0x7f, 0xff })
            {
                var damaged = hello.ToArray();
                damaged[at] = value;
                Assert.DoesNotThrow(() => ClientHello.KnowsTls13(new ReadOnlySequence<byte>(damaged)));
            }

            // The record says that it is whole, and is not.
            var cut = hello[..at];
            if (at > 5)
            {
                (cut[3], cut[4]) = ((byte)((at - 5) >> 8), (byte)(at - 5));
                Assert.That(ClientHello.KnowsTls13(new ReadOnlySequence<byte>(cut)), Is.False, $"{at} bytes");
            }
        }
    }

    [TestCase("GET / HTTP/1.1\r\n")]
    [TestCase("G")]
    [TestCase("\u0015\u0003\u0001\u0000\u0000")]
    [TestCase("\u0016\u0003\u0001\u0000\u0000")]
    public void What_is_no_client_of_TLS_does_not_know_it(string text) =>
        Assert.That(ClientHello.KnowsTls13(new ReadOnlySequence<byte>([.. text.Select(letter => (byte)letter)])), Is.False);

    private static ReadOnlySequence<byte> InPieces(byte[] whole)
    {
        var first = new Piece(whole.AsMemory(0, 1), null);
        var last = first;
        for (var at = 1; at < whole.Length; at++)
        {
            last = new Piece(whole.AsMemory(at, 1), last);
        }

        return new ReadOnlySequence<byte>(first, 0, last, 1);
    }

    private static async Task<byte[]> CaptureAsync(SslProtocols versions)
    {
        using var listening = new Socket(SocketType.Stream, ProtocolType.Tcp);
        listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listening.Listen();
        using var connecting = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await connecting.ConnectAsync(listening.LocalEndPoint!).Within();
        using var accepted = await listening.AcceptAsync().Within();
        await using var client = new SslStream(new NetworkStream(connecting));
        var options = TlsPair.Asking("www.example.org");
        options.EnabledSslProtocols = versions;
        var greeting = client.AuthenticateAsClientAsync(options);
        await using var stream = new NetworkStream(accepted);
        var header = new byte[5];
        await stream.ReadExactlyAsync(header).Within();
        var rest = new byte[(header[3] << 8) | header[4]];
        await stream.ReadExactlyAsync(rest).Within();
        accepted.Shutdown(SocketShutdown.Both);
        Assert.That(async () => await greeting.Within(), Throws.Exception);
        return [.. header, .. rest];
    }

    private sealed class Piece : ReadOnlySequenceSegment<byte>
    {
        public Piece(ReadOnlyMemory<byte> memory, Piece? before)
        {
            Memory = memory;
            if (before is not null)
            {
                RunningIndex = before.RunningIndex + before.Memory.Length;
                before.Next = this;
            }
        }
    }
}
