using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>When the garbage of a crowd is collected.</summary>
internal sealed class QuietCollectionTests
{
    private readonly ManualTime _time = new();
    private long _accepted;
    private int _collected;
    private int _byRuntime;

    [Test]
    public void A_crowd_is_followed_by_one_collection_once_no_more_come()
    {
        using var quiet = Create();
        _accepted = 1000;
        Pass();
        Assert.That(_collected, Is.Zero, "they still come");
        Pass();
        Assert.That(_collected, Is.EqualTo(1));
        Pass(10);
        Assert.That(_collected, Is.EqualTo(1));
    }

    [Test]
    public void A_few_clients_are_none()
    {
        using var quiet = Create();
        _accepted = 100;
        Pass(10);
        Assert.That(_collected, Is.Zero);
        _accepted = 300;
        Pass(10);
        Assert.That(_collected, Is.EqualTo(1), "many times a few are a crowd");
    }

    [Test]
    public void Where_somebody_has_collected_since_there_is_nothing_to_do()
    {
        using var quiet = Create();
        _accepted = 1000;
        _byRuntime = 1;
        Pass(10);
        Assert.That(_collected, Is.Zero);
    }

    [Test]
    public void Whoever_goes_on_coming_is_never_stopped_for_it()
    {
        using var quiet = Create();
        for (var second = 0; second < 100; second++)
        {
            _accepted += 1000;
            Pass();
        }

        Assert.That(_collected, Is.Zero);
    }

    private QuietCollection Create() => new(() => _accepted, _time, () => _collected++, () => _byRuntime + _collected);

    private void Pass(int seconds = 1)
    {
        for (var second = 0; second < seconds; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
        }
    }
}
