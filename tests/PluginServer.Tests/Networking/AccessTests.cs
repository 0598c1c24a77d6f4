using System.Net;
using PluginServer.Configuration;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>Who may come in: networks, and how often an address may.</summary>
internal sealed class AccessTests
{
    [TestCase("10.1.2.3", "10.0.0.0/8", "", true)]
    [TestCase("11.1.2.3", "10.0.0.0/8", "", false)]
    [TestCase("10.1.2.3", "", "10.0.0.0/8", false)]
    [TestCase("11.1.2.3", "", "10.0.0.0/8", true)]
    [TestCase("10.1.2.3", "10.0.0.0/8", "10.1.0.0/16", false)]
    [TestCase("10.2.2.3", "10.0.0.0/8", "10.1.0.0/16", true)]
    [TestCase("10.1.2.3", "10.1.2.0/24", "10.1.0.0/16", true)]
    [TestCase("10.1.2.3", "10.1.2.3/32", "10.1.2.3/32", false)]
    [TestCase("10.1.2.3", "0.0.0.0/0", "", true)]
    [TestCase("10.1.2.3", "::/0", "", false)]
    [TestCase("2001:db8::1", "::/0", "", true)]
    [TestCase("2001:db8::1", "0.0.0.0/0", "", false)]
    [TestCase("2001:db8::1", "2001:db8::/32", "2001:db8::/64", false)]
    [TestCase("2001:db8:0:1::1", "2001:db8::/32", "2001:db8::/64", true)]
    [TestCase("::ffff:10.1.2.3", "10.0.0.0/8", "", true)]
    [TestCase("10.1.2.3", "::ffff:10.0.0.0/104", "", true)]
    [TestCase("11.1.2.3", "::ffff:10.0.0.0/104", "", false)]
    [TestCase("::1", "10.0.0.0/8", "", false)]
    public void The_longest_match_of_both_lists_decides(string address, string allow, string deny, bool allowed)
    {
        var access = new AccessConfig { Allow = Networks(allow), Deny = Networks(deny) };
        Assert.That(access.Allows(AddressNumber.Of(IPAddress.Parse(address))), Is.EqualTo(allowed));
    }

    [Test]
    public void Lists_of_the_same_networks_are_equal_in_any_order()
    {
        Assert.That(Networks("10.0.0.0/8 ::1/128"), Is.EqualTo(Networks("::1/128 10.0.0.0/8")));
        Assert.That(Networks("10.0.0.0/8"), Is.Not.EqualTo(Networks("10.0.0.0/9")));
        Assert.That(Networks("10.0.0.0/8 ::1/128").ToString(), Is.EqualTo("[10.0.0.0/8, ::1/128]"));
    }

    [TestCase(1)]
    [TestCase(3)]
    [TestCase(7)]
    [TestCase(1000)]
    public void An_address_gets_a_second_of_tokens_at_once_and_then_as_many_a_second(int perSecond)
    {
        var time = new ManualTime();
        var rate = new AddressRate(time);
        Assert.That(Take(rate, perSecond), Is.EqualTo(perSecond));
        var taken = 0;
        for (var tenth = 0; tenth < 100; tenth++)
        {
            time.Advance(TimeSpan.FromMilliseconds(100));
            taken += Take(rate, perSecond);
        }

        Assert.That(taken, Is.EqualTo(perSecond * 10).Within(1).And.AtMost(perSecond * 10));
        time.Advance(TimeSpan.FromHours(1));
        Assert.That(Take(rate, perSecond), Is.EqualTo(perSecond), "a bucket holds no more than a second");
    }

    [Test]
    public void Addresses_do_not_share_tokens_and_are_forgotten_when_their_buckets_are_full_again()
    {
        var time = new ManualTime();
        var rate = new AddressRate(time);
        for (var address = 0u; address < 100_000; address++)
        {
            Assert.That(rate.TryTake(AddressNumber.Of(address), 1), Is.True);
            Assert.That(rate.TryTake(AddressNumber.Of(address), 1), Is.False);
            time.Advance(TimeSpan.FromMilliseconds(1));
        }

        Assert.That(rate.Count, Is.LessThan(4_000));
    }

    [Test]
    public void A_lowered_rate_holds_from_then_on()
    {
        var time = new ManualTime();
        var rate = new AddressRate(time);
        Assert.That(Take(rate, 100), Is.EqualTo(100));
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.That(Take(rate, 2), Is.EqualTo(2));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.That(Take(rate, 2), Is.EqualTo(2));
    }

    [Test]
    public void Without_an_address_there_is_no_limit()
    {
        var access = new AccessControl(new AccessConfig { Deny = Networks("0.0.0.0/0 ::/0"), ConnectionsPerAddress = 1, ConnectionsPerSecond = 1 }, TimeProvider.System);
        for (var client = 0; client < 3; client++)
        {
            Assert.That(access.TryEnter(null, out var hold), Is.Null);
            Assert.That(hold, Is.EqualTo(AddressHold.Exempt));
        }

        Assert.That(access.TryEnter(AddressNumber.Of(1), out _), Is.EqualTo(RejectReason.Denied));
    }

    [Test]
    public void A_share_that_is_given_back_is_free_for_the_next()
    {
        var access = new AccessControl(new AccessConfig { ConnectionsPerAddress = 2 }, TimeProvider.System);
        var (one, other) = (AddressNumber.Of(1), AddressNumber.Of(2));
        Assert.That(access.TryEnter(one, out var hold), Is.Null);
        Assert.That(access.TryEnter(one, out _), Is.Null);
        Assert.That(access.TryEnter(one, out var none), Is.EqualTo(RejectReason.AddressLimit));
        Assert.That(none, Is.EqualTo(AddressHold.None));
        Assert.That(access.TryEnter(other, out _), Is.Null);
        access.Leave(one, hold);
        access.Leave(one, none);
        Assert.That(access.TryEnter(one, out _), Is.Null);
        Assert.That(access.TryEnter(one, out _), Is.EqualTo(RejectReason.AddressLimit));
    }

    private static int Take(AddressRate rate, int perSecond)
    {
        var taken = 0;
        while (rate.TryTake(UInt128.One, perSecond))
        {
            taken++;
        }

        return taken;
    }

    private static NetworkList Networks(string text) => new(text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(IPNetwork.Parse));
}
