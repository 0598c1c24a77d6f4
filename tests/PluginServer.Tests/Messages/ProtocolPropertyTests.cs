using System.Buffers;
using FsCheck;
using FsCheck.Fluent;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Messages;

/// <summary>What holds for every protocol and every stream.</summary>
[TestFixtureSource(typeof(ProtocolCase), nameof(ProtocolCase.All))]
internal sealed class ProtocolPropertyTests(ProtocolCase protocol)
{
    private const int Cases = 10_000;
    private const int MostParts = 6;
    private const int LongestPart = 8;
    private const int LongestCut = 5;
    private int _messages;
    private int _rests;
    private int _errors;

    /// <summary>Messages as they are written, and bytes at random between them.</summary>
    [Test]
    public void A_stream_is_the_same_messages_the_same_rest_and_the_same_error_however_it_is_cut()
    {
        Check(
            from parts in Some(Gen.OneOf(Some(Gen.Elements(protocol.Bytes), LongestPart), Message.Select(protocol.Frame)), MostParts)
            from cuts in Gen.Choose(0, LongestCut).ArrayOf(MostParts)
            select new Cut([.. parts.SelectMany(static part => part)], cuts),
            stream =>
            {
                var expected = protocol.Model(stream.Bytes);
                Count(expected, stream.Bytes);
                Same(protocol.Read([stream.Bytes]), expected, "at once");
                Same(protocol.Read(Pieces.OneByOne(stream.Bytes)), expected, "byte by byte");
                Same(protocol.Read(stream.Pieces), expected, "in pieces");
            });
        TestContext.Out.WriteLine($"{Cases} streams: {_messages} with messages, {_rests} with a rest, {_errors} with an error");
        Assert.Multiple(() =>
        {
            Assert.That(_messages, Is.GreaterThan(Cases / 10));
            Assert.That(_rests + _errors, Is.GreaterThan(Cases / 10));
            Assert.That(_errors, protocol.IsNeverWrong ? Is.Zero : Is.GreaterThan(Cases / 50));
        });
    }

    [Test]
    public void What_is_written_is_read_as_it_was_and_what_would_not_be_is_refused_with_nothing_written()
    {
        var written = 0;
        Check(Message, message =>
        {
            var output = new ArrayBufferWriter<byte>();
            var frame = protocol.Frame(message);
            var reading = new ProtocolReading(protocol.Show(message), frame.Length, null);
            try
            {
                protocol.Write(message, output);
                Same(protocol.Read([output.WrittenMemory]), reading, "what was written");
                written++;
            }
            catch (ArgumentException)
            {
                // No byte at all is no message.
                var allowed = frame.Length > 0 && protocol.Model(frame) == reading && !message.EndsWith('\r');
                if (allowed || output.WrittenCount != 0)
                {
                    throw new AssertionException(allowed ? "it could have been written" : $"{output.WrittenCount} bytes were written");
                }
            }
        });
        TestContext.Out.WriteLine($"{Cases} messages: {written} were written");
        Assert.That(written, Is.InRange(Cases / 10, Cases * 9 / 10));
    }

    private Gen<string> Message => Some(Gen.Elements(protocol.Characters.ToArray()), protocol.LongestMessage).Select(static characters => new string(characters));

    private static Gen<T[]> Some<T>(Gen<T> one, int most) => Gen.Choose(0, most).SelectMany(one.ArrayOf);

    private static void Check<T>(Gen<T> cases, Action<T> property) => Prop.ForAll(cases.ToArbitrary(), property).Check(Config.QuickThrowOnFailure.WithMaxTest(Cases).WithQuietOnSuccess(true));

    /// <summary>Assert.That for each of half a million would take longer than what is tested.</summary>
    private static void Same(ProtocolReading actual, ProtocolReading expected, string how)
    {
        if (actual != expected)
        {
            throw new AssertionException($"{how}: {actual}, not {expected}");
        }
    }

    private void Count(ProtocolReading reading, byte[] stream)
    {
        _messages += reading.Consumed > 0 ? 1 : 0;
        _errors += reading.Error is null ? 0 : 1;
        _rests += reading.Error is null && reading.Consumed < stream.Length ? 1 : 0;
    }

    private sealed record Cut(byte[] Bytes, int[] Cuts)
    {
        /// <summary>Empty ones among them.</summary>
        public IEnumerable<ReadOnlyMemory<byte>> Pieces
        {
            get
            {
                var left = Bytes.AsMemory();
                foreach (var cut in Cuts)
                {
                    var next = Math.Min(cut, left.Length);
                    yield return left[..next];
                    left = left[next..];
                }

                yield return left;
            }
        }

        public override string ToString() => $"{Convert.ToHexString(Bytes)} in {string.Join(", ", Cuts)}";
    }
}
