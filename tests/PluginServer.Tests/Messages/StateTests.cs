using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace PluginServer.Tests.Messages;

internal sealed class StateTests
{
    private static readonly object[] Allowed =
    [
        true, (byte)1, 'c', 1, 1L, 1.5, 1.5f, 1m, (Half)1, Int128.One, UInt128.One, "text", Guid.Empty, DateTime.UnixEpoch, DateTimeOffset.UnixEpoch, TimeSpan.Zero, new DateOnly(2000, 1, 1), new TimeOnly(1, 2),
        Array.Empty<byte>(), new string[1, 2], (1, "two"), Tuple.Create(1, "two"), (1, 2, 3, 4, 5, 6, 7, 8, "nine"), new KeyValuePair<string, int>("one", 1),
        new List<int?>(), new Dictionary<string, List<(int, string)>>(StringComparer.OrdinalIgnoreCase), new HashSet<Guid>(), new Queue<byte[]>(),
        new ConcurrentDictionary<string, int>(), new ConcurrentQueue<string>(), new ConcurrentBag<int>(), new ConcurrentStack<int>(),
        ImmutableArray.Create(1), ImmutableList.Create("one"), ImmutableDictionary.Create<string, int>(StringComparer.Ordinal), ImmutableHashSet.Create(1), ImmutableQueue.Create(1), ImmutableStack.Create(1),
        ImmutableSortedDictionary.Create<string, int>(), ImmutableSortedSet.Create(1),
    ];

    private static readonly (object Value, string Names)[] Refused =
    [
        (new Own(), "Own"),
        (new Own[1], "Own[]"),
        (new List<Own>(), "List<PluginServer.Tests.Messages.StateTests+Own>"),
        (new Dictionary<string, List<Own>>(), "Own"),
        ((1, new Own()), "Own"),
        (new Kind[1], "Kind"),
        (DayOfWeek.Monday, "System.DayOfWeek"),
        (new object[1], "System.Object"),
        (new List<object>(), "System.Object"),
        (new OwnList(), "OwnList"),
        (new OwnTuple(), "OwnTuple"),
        (new OwnTuple<int>(), "OwnTuple"),
        (new SortedList<int, int>(), "SortedList"),
        (new Uri("http://localhost"), "System.Uri"),
        (static () => 1, "Func"),
        (new Dictionary<string, int>(new OwnComparer()), "OwnComparer"),
        (new HashSet<string>(EqualityComparer<string>.Create(static (one, other) => one == other, static _ => 0)), "DelegateEqualityComparer"),
        (ImmutableSortedSet.Create((IComparer<int>)Comparer<int>.Create(static (one, other) => one - other)), "ComparisonComparer"),
        (new ConcurrentDictionary<string, int>(new OwnComparer()), "OwnComparer"),
        (ImmutableDictionary.Create<string, int>(new OwnComparer()), "OwnComparer"),
    ];

    private readonly State _state = new();

    private enum Kind
    {
    }

    [TestCaseSource(nameof(Allowed))]
    public void What_every_build_sees_as_the_same_is_stored_and_comes_back_as_it_is(object value)
    {
        Call(nameof(State.Set), value);
        Assert.That(Call(nameof(State.GetOrAdd), value), value.GetType().IsValueType ? Is.EqualTo(value) : Is.SameAs(value));
    }

    [TestCaseSource(nameof(Refused))]
    public void Everything_else_is_an_error_that_names_key_and_type((object Value, string Names) refused)
    {
        Assert.That(() => Call(nameof(State.Set), refused.Value), Throws.ArgumentException.With.Message.StartsWith("state 'key' cannot ").And.Message.Contains(refused.Names));
        Assert.That(() => Call(nameof(State.GetOrAdd), refused.Value), Throws.ArgumentException.With.Message.StartsWith("state 'key' cannot "));
        Assert.That(_state.Keys, Is.Empty);
    }

    [Test]
    public void A_value_is_made_once_and_read_as_what_it_is()
    {
        Assert.That(_state.TryGet<string>("name", out _), Is.False);
        Assert.That(_state.GetOrAdd("name", static () => "first"), Is.EqualTo("first"));
        Assert.That(_state.GetOrAdd<string>("name", static () => throw new InvalidOperationException("made twice")), Is.EqualTo("first"));
        Assert.That(() => _state.GetOrAdd("name", static () => 1), Throws.InstanceOf<InvalidCastException>().With.Message.EqualTo("state 'name' is a String, not a Int32; read it as what it is, or store it anew with Set"));
        Assert.That(() => _state.TryGet<List<(int, string)>>("name", out _), Throws.InstanceOf<InvalidCastException>().With.Message.Contains("not a List<ValueTuple<Int32, String>>"));
        _state.Set("name", 1);
        Assert.That(_state.AddOrUpdate("name", 0, static present => present + 1), Is.EqualTo(2));
        Assert.That(_state.AddOrUpdate("other", 7, static present => present + 1), Is.EqualTo(7));
        Assert.That(_state.Keys.Order(), Is.EqualTo(["name", "other"]));
        Assert.That((_state.Remove("name"), _state.Remove("name")), Is.EqualTo((true, false)));
        Assert.That(_state.TryGet("name", out int _), Is.False);
    }

    [Test]
    public void Nothing_and_no_name_are_refused()
    {
        Assert.That(() => _state.Set<string>("key", null!), Throws.ArgumentNullException);
        Assert.That(() => _state.GetOrAdd<string>("key", static () => null!), Throws.ArgumentNullException);
        Assert.That(() => _state.Set(null!, 1), Throws.ArgumentNullException);
        Assert.That(() => _state.TryGet(null!, out int _), Throws.ArgumentNullException);
        Assert.That(() => _state.Remove(null!), Throws.ArgumentNullException);
        Assert.That(() => _state.AddOrUpdate("key", 1, null!), Throws.ArgumentNullException);
    }

    [Test]
    public void An_update_is_one_step()
    {
        Parallel.For(0, 8, _ =>
        {
            for (var times = 0; times < 1000; times++)
            {
                _state.AddOrUpdate("sum", 1, static sum => sum + 1);
            }
        });
        Assert.That(_state.TryGet("sum", out int sum), Is.True);
        Assert.That(sum, Is.EqualTo(8000));
    }

    /// <summary>Calls the generic method for the value's own type.</summary>
    private object? Call(string method, object value)
    {
        var call = typeof(StateTests).GetMethod(method, System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Instance)!.MakeGenericMethod(value.GetType());
        try
        {
            return call.Invoke(this, [value]);
        }
        catch (System.Reflection.TargetInvocationException error)
        {
            throw error.InnerException!;
        }
    }

    private object Set<T>(T value)
        where T : notnull
    {
        _state.Set("key", value);
        return value;
    }

    private object GetOrAdd<T>(T value)
        where T : notnull
        => _state.GetOrAdd("key", () => value);

    private sealed class Own;

    private sealed class OwnList : List<int>;

    private sealed class OwnTuple : System.Runtime.CompilerServices.ITuple
    {
        public int Length => 0;

        public object? this[int index] => null;
    }

    private sealed class OwnTuple<T> : System.Runtime.CompilerServices.ITuple
    {
        public int Length => 0;

        public object? this[int index] => default(T);
    }

    private sealed class OwnComparer : IEqualityComparer<string>
    {
        public bool Equals(string? x, string? y) => x == y;

        public int GetHashCode(string obj) => 0;
    }
}
