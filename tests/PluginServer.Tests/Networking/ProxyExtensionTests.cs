using System.Net;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>What follows the addresses in a PROXY header of version 2: all but the checksum is walked over.</summary>
internal sealed class ProxyExtensionTests
{
    private const int Addresses = 16 + 12;
    private static readonly IPEndPoint Source = IPEndPoint.Parse("192.168.0.1:56324");
    private static readonly IPEndPoint Destination = IPEndPoint.Parse("192.168.0.11:443");
    private static readonly ProxyHeader Says = new(ProxyCommand.Proxy, ProxyFamily.Tcp4, Source, Destination);

    /// <summary>The check value of CRC-32C everywhere, and the first of RFC 3720, B.4.</summary>
    [Test]
    public void The_tests_own_checksum_is_the_right_one()
    {
        Assert.That(ProxyHeaders.Crc32C("123456789"u8), Is.EqualTo(0xe3069283));
        Assert.That(ProxyHeaders.Crc32C(new byte[32]), Is.EqualTo(0x8a9136aa));
    }

    [Test]
    public void Every_type_but_the_checksum_may_come_any_number_of_times_with_any_value()
    {
        for (var type = 0; type <= byte.MaxValue; type++)
        {
            if (type != ProxyHeaders.Checksum)
            {
                var header = ProxyHeaders.V2(Source, Destination, ProxyHeaders.Extension((byte)type), ProxyHeaders.Extension((byte)type, 3, 0, 4, 1, 2, 3), ProxyHeaders.Extension((byte)type, new byte[300]));
                Assert.That(ProxyReading.Of(header), Is.EqualTo(ProxyReading.Complete(Says, header.Length)), $"type {type}");
            }
        }
    }

    [Test]
    public void The_checksum_may_stand_anywhere_among_the_others([Range(0, 3)] int place)
    {
        var extensions = new List<byte[]> { ProxyHeaders.Extension(0x01, "h2"u8.ToArray()), ProxyHeaders.Extension(ProxyHeaders.Noop, new byte[5]), ProxyHeaders.Extension(0xea, [1, .. "vpce-08d2bf15fac5001c9"u8]) };
        var at = Addresses + extensions.Take(place).Sum(extension => extension.Length) + 3;
        extensions.Insert(place, ProxyHeaders.NoChecksum());
        var header = ProxyHeaders.Seal(ProxyHeaders.V2(Source, Destination, [.. extensions]), at);
        Assert.That(ProxyReading.Of(header), Is.EqualTo(ProxyReading.Complete(Says, header.Length)));
        Assert.That(ProxyReading.Of(Pieces.Of(Pieces.OneByOne(header))), Is.EqualTo(ProxyReading.Complete(Says, header.Length)));
    }

    /// <summary>Each family has its addresses under the sum, too.</summary>
    [Test]
    public void No_bit_after_the_length_may_differ_from_what_the_checksum_is_of([Values("tcp4", "tcp6", "unix")] string family)
    {
        byte[][] extensions = [ProxyHeaders.NoChecksum(), ProxyHeaders.Extension(ProxyHeaders.Noop, 1, 2, 3)];
        var header = family switch
        {
            "tcp4" => ProxyHeaders.V2(Source, Destination, extensions),
            "tcp6" => ProxyHeaders.V2(IPEndPoint.Parse("[2001:db8::1]:1"), IPEndPoint.Parse("[2001:db8::2]:2"), extensions),
            _ => ProxyHeaders.V2Unix("/run/a", "/run/b", extensions),
        };
        ProxyHeaders.Seal(header, header.Length - 10);
        Assert.That(ProxyReading.Of(header).Verdict, Is.EqualTo(ProxyVerdict.Complete));

        var lengths = new[] { header.Length - 12, header.Length - 11, header.Length - 5, header.Length - 4 };
        for (var bit = 16 * 8; bit < header.Length * 8; bit++)
        {
            header[bit / 8] ^= (byte)(1 << (bit % 8));
            var reading = ProxyReading.Of(header);
            header[bit / 8] ^= (byte)(1 << (bit % 8));
            if (bit / 8 == header.Length - 13)
            {
                Assert.That(reading.Verdict, Is.EqualTo(ProxyVerdict.Complete), "another type is no checksum");
            }
            else
            {
                Assert.That(reading.Reason, Does.StartWith(lengths.Contains(bit / 8) ? "version 2: the " : "version 2: its checksum is "), $"bit {bit}");
            }
        }
    }

    [Test]
    public void Of_the_fixed_bytes_one_bit_alone_may_differ_and_that_makes_a_local_command_of_it()
    {
        var header = ProxyHeaders.Seal(ProxyHeaders.V2(Source, Destination, ProxyHeaders.NoChecksum()), Addresses + 3);
        var accepted = new List<int>();
        for (var bit = 0; bit < 16 * 8; bit++)
        {
            header[bit / 8] ^= (byte)(1 << (bit % 8));
            if (ProxyReading.Of(header).Verdict == ProxyVerdict.Complete)
            {
                accepted.Add(bit);
            }

            header[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Assert.That(accepted, Is.EqualTo(new[] { 12 * 8 }));
    }

    /// <summary>The specification has the receiver ignore all of it.</summary>
    [Test]
    public void Of_a_local_command_and_of_unspecified_addresses_what_follows_is_not_walked()
    {
        byte[][] following = [ProxyHeaders.Extension(ProxyHeaders.Checksum, 1, 2, 3), [0x04, 0xff]];
        var local = ProxyHeaders.V2Local(following);
        var unspecified = ProxyHeaders.V2Unspecified(following);
        Assert.That(ProxyReading.Of(local), Is.EqualTo(ProxyReading.Complete(new(ProxyCommand.Local), local.Length)));
        Assert.That(ProxyReading.Of(unspecified), Is.EqualTo(ProxyReading.Complete(new(ProxyCommand.Proxy), unspecified.Length)));
    }

    [Test]
    public void As_many_as_the_limit_allows_are_walked_and_one_byte_more_is_not_waited_for()
    {
        var empty = Enumerable.Repeat(ProxyHeaders.Extension(ProxyHeaders.Noop), (4096 - 12 - 4) / 3).ToArray();
        var header = ProxyHeaders.V2(Source, Destination, [.. empty, ProxyHeaders.Extension(ProxyHeaders.Noop, 0)]);
        Assert.That(header, Has.Length.EqualTo(ProxyHeaderParser.MostBytes));
        Assert.That(ProxyReading.Of(header), Is.EqualTo(ProxyReading.Complete(Says, header.Length)));
        var longer = ProxyHeaders.V2(Source, Destination, [.. empty, ProxyHeaders.Extension(ProxyHeaders.Noop, 0, 0)]);
        Assert.That(ProxyReading.Of(Pieces.Of(longer.AsMemory(0, 16), Pieces.Forbidden)), Is.EqualTo(ProxyReading.Broken("version 2: 4097 bytes are to follow, and at most 4096 are read")));
    }
}
