using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>PROXY headers at random, whole and damaged: no exception, the same verdict however the bytes are cut, and little memory for
/// each. PLUGINSERVER_FUZZ_SEED makes the choices of an earlier run again.</summary>
[Category("Long")]
internal sealed class ProxyHeaderFuzzTests
{
    // Two ends with their texts, or a reason with four characters for each byte of a line or a path.
    private const int MostAllocated = ProxyHeaderParser.MostBytes;
    private const int LongestReason = 600;

    private static readonly int Seed = Number("PLUGINSERVER_FUZZ_SEED") ?? Environment.TickCount;
    private readonly Random _random = new(Seed);
    private readonly Dictionary<ProxyVerdict, int> _verdicts = [];
    private long _most;

    private static int Size => Number("PLUGINSERVER_FUZZ_HEADERS") ?? 50_000;

    /// <summary>A million at full size.</summary>
    [Test]
    public void Whatever_the_bytes_are_they_are_understood_or_refused_at_little_cost()
    {
        WarmUp();
        for (var turn = 0; turn < Size; turn++)
        {
            var bytes = Damage(Whole().Bytes);
            var reading = AssertCheap(bytes);
            _verdicts[reading.Verdict] = _verdicts.GetValueOrDefault(reading.Verdict) + 1;
            AssertSound(reading, bytes);
        }

        TestContext.Out.WriteLine($"{Failure}: {string.Join(", ", _verdicts)}; at most {_most} bytes allocated for one");
        Assert.That(_verdicts.Keys, Is.EquivalentTo(Enum.GetValues<ProxyVerdict>()), "each verdict was given");
    }

    [Test]
    public void What_a_proxy_writes_is_read()
    {
        for (var turn = 0; turn < Size; turn++)
        {
            var (bytes, says) = Whole();
            var reading = ProxyReading.Of((byte[])[.. bytes, .. Bytes(_random.Next(20))]);
            if (reading != ProxyReading.Complete(says, bytes.Length))
            {
                Assert.Fail($"{Failure}: {Convert.ToHexString(bytes)} is {reading}, not {says}");
            }
        }
    }

    private static string Failure => $"PLUGINSERVER_FUZZ_SEED={Seed}";

    private static int? Number(string variable) => int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var number) ? number : null;

    /// <summary>What the runtime allocates once is not a header's.</summary>
    private void WarmUp()
    {
        for (var turn = 0; turn < 1000; turn++)
        {
            ProxyReading.Of(Damage(Whole().Bytes));
        }

        ProxyReading.Of(ProxyHeaders.V2Unix(new string('a', 108), ""));
    }

    private ProxyReading AssertCheap(byte[] bytes)
    {
        var received = new ReadOnlySequence<byte>(bytes);
        var (allocated, reading) = Allocated(received);
        if (allocated > MostAllocated)
        {
            // The runtime's own buffers, if it has given them up since, are not a header's.
            (allocated, reading) = Allocated(received);
        }

        _most = Math.Max(_most, allocated);
        if (allocated > MostAllocated)
        {
            Assert.Fail($"{Failure}: {allocated} bytes allocated for {Convert.ToHexString(bytes)}");
        }

        return reading;
    }

    private static (long Bytes, ProxyReading Reading) Allocated(in ReadOnlySequence<byte> received)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var reading = ProxyReading.Of(received);
        return (GC.GetAllocatedBytesForCurrentThread() - before, reading);
    }

    private void AssertSound(ProxyReading reading, byte[] bytes)
    {
        var decided = reading.Verdict != ProxyVerdict.NeedsMore;
        var shorter = ProxyReading.Of(bytes.AsMemory(0, _random.Next(bytes.Length + 1)));
        var sound = ProxyReading.Of(Pieces.Of(Pieces.OneByOne(bytes))) == reading
            && ProxyReading.Of(Pieces.Of(AtRandom(bytes))) == reading

            // Once decided, what comes later changes nothing; what came earlier was not decided otherwise.
            && (!decided || ProxyReading.Of((byte[])[.. bytes, .. Bytes(3)]) == reading)
            && (shorter.Verdict == ProxyVerdict.NeedsMore || shorter == reading)
            && reading.Verdict switch
            {
                ProxyVerdict.Complete => reading.Length <= Math.Min(bytes.Length, ProxyHeaderParser.MostBytes)
                    && ProxyReading.Of(bytes.AsMemory(0, (int)reading.Length)) == reading
                    && ProxyReading.Of(bytes.AsMemory(0, (int)reading.Length - 1)) == ProxyReading.NeedsMore,
                ProxyVerdict.Broken => reading == ProxyReading.Broken(reading.Reason) && reading.Reason.Length is > 0 and < LongestReason && reading.Reason.All(character => character is >= ' ' and <= '~'),
                ProxyVerdict.NeedsMore => reading == ProxyReading.NeedsMore && bytes.Length < ProxyHeaderParser.MostBytes,
                _ => reading == ProxyReading.Absent && !Encoding.Latin1.GetString(bytes).StartsWith("PROXY", StringComparison.Ordinal),
            };
        if (!sound)
        {
            Assert.Fail($"{Failure}: {Convert.ToHexString(bytes)} is {reading}, its part {shorter}");
        }
    }

    private IEnumerable<ReadOnlyMemory<byte>> AtRandom(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var next = Math.Min(_random.Next(40), bytes.Length);
            yield return bytes[..next];
            bytes = bytes[next..];
        }
    }

    private (byte[] Bytes, ProxyHeader Says) Whole()
    {
        switch (_random.Next(8))
        {
            case 0:
                return (ProxyHeaders.V1Unknown(_random.Next(2) == 0 ? "" : $" {new string((char)_random.Next(32, 256), _random.Next(92))}"), new(ProxyCommand.Proxy));
            case 1:
                return (ProxyHeaders.V2Local(Bytes(_random.Next(60))), new(ProxyCommand.Local));
            case 2:
                return (ProxyHeaders.V2Unspecified(Bytes(_random.Next(60))), new(ProxyCommand.Proxy));
            case 3:
                var (from, to) = (RandomPath(), RandomPath());
                return (Sealed(ProxyHeaders.V2Unix(from, to, Extensions()), 16 + 216), new(ProxyCommand.Proxy, ProxyFamily.Unix, End(from), End(to)));
            case 4:
            case 5:
                var (source4, destination4) = (RandomEnd(4), RandomEnd(4));
                return (_random.Next(2) == 0 ? ProxyHeaders.V1(source4, destination4) : Sealed(ProxyHeaders.V2(source4, destination4, Extensions()), 16 + 12), new(ProxyCommand.Proxy, ProxyFamily.Tcp4, source4, destination4));
            default:
                var (source6, destination6) = (RandomEnd(16), RandomEnd(16));
                return (_random.Next(2) == 0 ? ProxyHeaders.V1(source6, destination6) : Sealed(ProxyHeaders.V2(source6, destination6, Extensions()), 16 + 36), new(ProxyCommand.Proxy, ProxyFamily.Tcp6, Shown(source6), Shown(destination6)));
        }
    }

    private static System.Net.Sockets.UnixDomainSocketEndPoint? End(string path) => path.Length == 0 ? null : new(path);

    private static IPEndPoint Shown(IPEndPoint end) => end.Address.IsIPv4MappedToIPv6 ? new(end.Address.MapToIPv4(), end.Port) : end;

    private string RandomPath() => _random.Next(4) switch
    {
        0 => "",
        1 => $"\0{new string((char)_random.Next('!', '~'), _random.Next(1, 107))}",
        _ => $"/{new string((char)_random.Next('!', '~'), _random.Next(106))}",
    };

    private IPEndPoint RandomEnd(int size)
    {
        var address = Bytes(size);
        if (size == 16)
        {
            // Zeros at the begin, as the text abbreviates them, or IPv4 in the form of IPv6.
            address.AsSpan(0, _random.Next(13)).Clear();
            if (_random.Next(4) == 0)
            {
                address.AsSpan(0, 10).Clear();
                address.AsSpan(10, 2).Fill(0xff);
            }
        }

        return new IPEndPoint(new IPAddress(address), _random.Next(65536));
    }

    /// <summary>With a place for the checksum first, or none.</summary>
    private byte[][] Extensions()
    {
        var most = _random.Next(100) == 0 ? 1200 : 20;
        var others = Enumerable.Range(0, _random.Next(4)).Select(_ => ProxyHeaders.Extension((byte)_random.Next(4, 256), Bytes(_random.Next(most))));
        return _random.Next(2) == 0 ? [.. others] : [ProxyHeaders.NoChecksum(), .. others];
    }

    private static byte[] Sealed(byte[] header, int at) => header.Length > at && header[at] == ProxyHeaders.Checksum ? ProxyHeaders.Seal(header, at + 3) : header;

    private byte[] Damage(byte[] header)
    {
        var bytes = header.ToList();
        for (var times = _random.Next(4); times > 0; times--)
        {
            var at = _random.Next(bytes.Count + 1);
            switch (_random.Next(8))
            {
                case 0 when bytes.Count > 0:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                case 1:
                    bytes.InsertRange(at, Bytes(_random.Next(1, 10)));
                    break;
                case 2 when at < bytes.Count:
                    bytes.RemoveAt(at);
                    break;
                case 3 when bytes.Count > 16:
                    // The length that version 2 says, small or any.
                    bytes[14] = _random.Next(2) == 0 ? (byte)0 : (byte)_random.Next(256);
                    bytes[15] = (byte)_random.Next(256);
                    break;
                case 4:
                    bytes.InsertRange(at, bytes[.._random.Next(bytes.Count + 1)]);
                    break;
                case 5 when _random.Next(10) == 0:
                    bytes = [.. Bytes(_random.Next(5000))];
                    break;
                case 6 when at < bytes.Count:
                    bytes[at] = (byte)" \r\n\00:.aF"[_random.Next(9)];
                    break;
                default:
                    if (at < bytes.Count)
                    {
                        bytes[at] ^= (byte)(1 << _random.Next(8));
                    }

                    break;
            }
        }

        return [.. bytes];
    }

    private byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        _random.NextBytes(bytes);
        return bytes;
    }
}
