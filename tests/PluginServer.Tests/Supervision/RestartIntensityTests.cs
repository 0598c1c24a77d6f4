using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>How often acceptors may die, and how long nothing is tried each time.</summary>
internal sealed class RestartIntensityTests
{
    private readonly ManualTime _time = new();
    private readonly RestartIntensity _intensity;

    public RestartIntensityTests() => _intensity = new RestartIntensity(_time);

    [SetUp]
    public void Reset() => _intensity.Reset();

    [Test]
    public void Five_deaths_in_ten_seconds_are_endured_with_longer_and_longer_delays_and_the_sixth_fails()
    {
        Assert.That(Die(5), Is.EqualTo(new double[] { 5, 10, 20, 40, 80 }));
        Assert.That(_intensity.HasFailed, Is.False);
        Assert.That(Die(1), Is.EqualTo(new double[] { 1000 }));
        Assert.That(_intensity.HasFailed, Is.True);
    }

    [Test]
    public void Retries_back_off_to_half_a_minute()
    {
        Die(6);
        Assert.That(Die(7), Is.EqualTo(new double[] { 2000, 4000, 8000, 16000, 30000, 30000, 30000 }));
        _intensity.Reset();
        Assert.That(_intensity.HasFailed, Is.False);
        Assert.That(_intensity.Wait, Is.EqualTo(TimeSpan.Zero));
        Assert.That(Die(1), Is.EqualTo(new double[] { 5 }));
    }

    [Test]
    public void Deaths_that_are_far_enough_apart_never_fail()
    {
        for (var death = 0; death < 100; death++)
        {
            _intensity.Count();
            _time.Advance(TimeSpan.FromSeconds(2.01));
        }

        Assert.That(_intensity.HasFailed, Is.False);
        Assert.That(_intensity.Wait, Is.EqualTo(TimeSpan.Zero));
    }

    [Test]
    public void Deaths_while_a_failure_is_waited_out_are_one_with_it()
    {
        Die(6);
        _time.Advance(TimeSpan.Zero);
        Assert.That(_intensity.Count(), Is.True, "the retry came to nothing");
        _time.Advance(TimeSpan.FromSeconds(1.5));
        Assert.That(_intensity.Count(), Is.False);
        Assert.That(_intensity.Wait, Is.EqualTo(TimeSpan.FromSeconds(0.5)));
    }

    /// <summary>Dies, waits as long as it is told, dies again; says how many milliseconds each wait was.</summary>
    private double[] Die(int times) => [.. Enumerable.Range(0, times).Select(_ =>
    {
        Assert.That(_intensity.Count(), Is.True);
        var wait = _intensity.Wait;
        _time.Advance(wait);
        return wait.TotalMilliseconds;
    })];
}
