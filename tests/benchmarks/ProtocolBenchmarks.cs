using System.Buffers;
using BenchmarkDotNet.Attributes;

namespace PluginServer.Benchmarks;

/// <summary>What it costs to read and to write one message of 60 bytes in each of the built-in protocols, received in one segment and in two.</summary>
[MemoryDiagnoser]
[Config(typeof(InThisProcess))]
public class ProtocolBenchmarks
{
    private const int Length = 60;
    private static readonly byte[] Text = [.. Enumerable.Repeat((byte)'x', Length)];
    private readonly ArrayBufferWriter<byte> _output = new(256);
    private readonly LineProtocol _lines = new();
    private readonly LengthPrefixProtocol _prefixed = new(4);
    private readonly DelimiterProtocol _delimited = new("\r\n"u8);
    private readonly FixedSizeProtocol _fixed = new(Length);
    private readonly string _line = new('x', Length);
    private ReadOnlySequence<byte> _message;
    private ReadOnlySequence<byte> _lineReceived;
    private ReadOnlySequence<byte> _prefixedReceived;
    private ReadOnlySequence<byte> _delimitedReceived;

    /// <summary>How many the message lies in.</summary>
    [Params(1, 2)]
    public int Segments { get; set; }

    /// <summary>Lays out what was received.</summary>
    [GlobalSetup]
    public void Start()
    {
        _message = Cut(Text);
        _lineReceived = Cut([.. Text, (byte)'\n']);
        _prefixedReceived = Cut([0, 0, 0, Length, .. Text]);
        _delimitedReceived = Cut([.. Text, (byte)'\r', (byte)'\n']);
    }

    /// <summary>Of UTF-8, into a string.</summary>
    [Benchmark(Description = "read a line")]
    public string ReadLine() => Read(_lines, _lineReceived);

    /// <summary>Behind 4 bytes of length.</summary>
    [Benchmark(Description = "read behind a prefix of 4")]
    public ReadOnlySequence<byte> ReadPrefixed() => Read(_prefixed, _prefixedReceived);

    /// <summary>Before CR and LF.</summary>
    [Benchmark(Description = "read up to a delimiter of 2")]
    public ReadOnlySequence<byte> ReadDelimited() => Read(_delimited, _delimitedReceived);

    /// <summary>As many bytes as all have.</summary>
    [Benchmark(Description = "read a fixed size")]
    public ReadOnlySequence<byte> ReadFixed() => Read(_fixed, _message);

    /// <summary>Of a string, into UTF-8.</summary>
    [Benchmark(Description = "write a line")]
    public int WriteLine() => Write(_lines, _line);

    /// <summary>Behind 4 bytes of length.</summary>
    [Benchmark(Description = "write behind a prefix of 4")]
    public int WritePrefixed() => Write(_prefixed, _message);

    /// <summary>Before CR and LF, which are searched for in it.</summary>
    [Benchmark(Description = "write before a delimiter of 2")]
    public int WriteDelimited() => Write(_delimited, _message);

    /// <summary>As many bytes as all have.</summary>
    [Benchmark(Description = "write a fixed size")]
    public int WriteFixed() => Write(_fixed, _message);

    private static T Read<T>(IProtocol<T> protocol, ReadOnlySequence<byte> received) =>
        protocol.TryRead(ref received, out var message) ? message : throw new InvalidOperationException("The message of the benchmark is not whole any more.");

    private int Write<T>(IProtocol<T> protocol, T message)
    {
        _output.ResetWrittenCount();
        protocol.Write(message, _output);
        return _output.WrittenCount;
    }

    private ReadOnlySequence<byte> Cut(byte[] bytes)
    {
        if (Segments == 1)
        {
            return new ReadOnlySequence<byte>(bytes);
        }

        var first = new Segment(bytes.AsMemory(0, bytes.Length / 2), null);
        var second = new Segment(bytes.AsMemory(bytes.Length / 2), first);
        return new ReadOnlySequence<byte>(first, 0, second, second.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? before)
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
