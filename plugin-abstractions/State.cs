using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace PluginServer;

/// <summary>Named values that outlive the code that made them.</summary>
/// <remarks>
/// <para>Because another build of the plugin takes them over, only types that every build sees as the same are allowed: the primitive
/// types with <see cref="decimal"/>, <see cref="Half"/>, <see cref="Int128"/> and <see cref="UInt128"/>, strings, dates and times,
/// <see cref="Guid"/>, nullables, arrays and tuples of these, and of the collections <c>List</c>, <c>Dictionary</c>, <c>HashSet</c>,
/// <c>Queue</c>, those of <c>System.Collections.Concurrent</c> that begin with Concurrent, and those of <c>System.Collections.Immutable</c>,
/// all of each other in any depth. A comparer of the plugin's own is refused too. Nothing is copied: what is stored is what comes back.</para>
/// <para>Any thread. The values themselves are as safe for several threads as their types are.</para>
/// </remarks>
public class State
{
    private readonly ConcurrentDictionary<string, object> _values = new(concurrencyLevel: 1, capacity: 1, StringComparer.Ordinal);

    /// <summary>The names of what is stored now, in no order.</summary>
    public IReadOnlyCollection<string> Keys => [.. _values.Keys];

    /// <summary>The value of a key, made and stored first where there is none.</summary>
    /// <typeparam name="T">As it was stored; see the remarks of <see cref="State"/>.</typeparam>
    /// <param name="key">Its name, compared ordinally.</param>
    /// <param name="factory">Makes it. Two threads that come at once may both call theirs; one value is stored, and both get that.</param>
    /// <returns>What is stored: for a reference type the same object for everybody.</returns>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not allowed; the message names key and type.</exception>
    /// <exception cref="InvalidCastException">A value of another type is stored; the message names key and both types.</exception>
    public T GetOrAdd<T>(string key, Func<T> factory)
        where T : notnull
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(factory);
        if (TryGet<T>(key, out var known))
        {
            return known;
        }

        StateTypes.ThrowUnlessAllowed(key, typeof(T));
        return As<T>(key, _values.GetOrAdd(key, Checked(key, factory())));
    }

    /// <summary>The value of a key, if there is one.</summary>
    /// <typeparam name="T">As it was stored.</typeparam>
    /// <param name="key">Its name, compared ordinally.</param>
    /// <param name="value">The value.</param>
    /// <returns>Whether there is one.</returns>
    /// <exception cref="InvalidCastException">A value of another type is stored; the message names key and both types.</exception>
    public bool TryGet<T>(string key, [MaybeNullWhen(false)] out T value)
        where T : notnull
    {
        ArgumentNullException.ThrowIfNull(key);
        if (!_values.TryGetValue(key, out var stored))
        {
            value = default;
            return false;
        }

        value = As<T>(key, stored);
        return true;
    }

    /// <summary>Stores a value; one that had this key before, of whatever type, is replaced.</summary>
    /// <typeparam name="T">See the remarks of <see cref="State"/>.</typeparam>
    /// <param name="key">Its name, compared ordinally.</param>
    /// <param name="value">The value; it is not copied.</param>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not allowed; the message names key and type.</exception>
    public void Set<T>(string key, T value)
        where T : notnull
    {
        ArgumentNullException.ThrowIfNull(key);
        StateTypes.ThrowUnlessAllowed(key, typeof(T));
        _values[key] = Checked(key, value);
    }

    /// <summary>Stores what follows from the present value, as one step: no other change of this key comes between.</summary>
    /// <typeparam name="T">See the remarks of <see cref="State"/>.</typeparam>
    /// <param name="key">Its name, compared ordinally.</param>
    /// <param name="first">Stored where there is none.</param>
    /// <param name="next">Makes the next value of the present one, which it must not change: it may be called again when another thread was faster.</param>
    /// <returns>What was stored.</returns>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not allowed; the message names key and type.</exception>
    /// <exception cref="InvalidCastException">A value of another type is stored; the message names key and both types.</exception>
    public T AddOrUpdate<T>(string key, T first, Func<T, T> next)
        where T : notnull
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(next);
        StateTypes.ThrowUnlessAllowed(key, typeof(T));
        return (T)_values.AddOrUpdate(key, _ => Checked(key, first), (_, stored) => Checked(key, next(As<T>(key, stored))));
    }

    /// <summary>Forgets a value.</summary>
    /// <param name="key">Its name, compared ordinally.</param>
    /// <returns>Whether there was one.</returns>
    public bool Remove(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return _values.TryRemove(key, out _);
    }

    /// <summary>The same values under names of its own: what is added, replaced or removed there is not here, until it is taken over.</summary>
    internal State Fork()
    {
        var fork = new State();
        foreach (var (key, value) in _values)
        {
            fork._values[key] = value;
        }

        return fork;
    }

    private static object Checked<T>(string key, T value)
        where T : notnull
    {
        ArgumentNullException.ThrowIfNull(value);
        StateTypes.ThrowUnlessPlain(key, value);
        return value;
    }

    private static T As<T>(string key, object stored) => stored is T value
        ? value
        : throw new InvalidCastException($"state '{key}' is a {StateTypes.Name(stored.GetType())}, not a {StateTypes.Name(typeof(T))}; read it as what it is, or store it anew with Set");
}
