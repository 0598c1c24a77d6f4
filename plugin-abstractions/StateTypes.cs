using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace PluginServer;

/// <summary>Which types a value may have that outlives the build which made it.</summary>
internal static class StateTypes
{
    private static readonly Type[] _plain =
    [
        typeof(string), typeof(decimal), typeof(Half), typeof(Int128), typeof(UInt128), typeof(Guid),
        typeof(DateTime), typeof(DateTimeOffset), typeof(TimeSpan), typeof(DateOnly), typeof(TimeOnly),
    ];

    private static readonly Type[] _collections =
    [
        typeof(Nullable<>), typeof(KeyValuePair<,>),
        typeof(List<>), typeof(Dictionary<,>), typeof(HashSet<>), typeof(Queue<>),
        typeof(ConcurrentBag<>), typeof(ConcurrentDictionary<,>), typeof(ConcurrentQueue<>), typeof(ConcurrentStack<>),
        typeof(ImmutableArray<>), typeof(ImmutableDictionary<,>), typeof(ImmutableHashSet<>), typeof(ImmutableList<>), typeof(ImmutableQueue<>),
        typeof(ImmutableSortedDictionary<,>), typeof(ImmutableSortedSet<>), typeof(ImmutableStack<>),
    ];

    private static readonly string[] _comparers = ["Comparer", "KeyComparer", "ValueComparer"];

    public static void ThrowUnlessAllowed(string key, Type type)
    {
        if (Forbidden(type) is { } part)
        {
            throw new ArgumentException(
                $"state '{key}' cannot be a {Name(type)}: {(part == type ? "that" : Name(part))} is not a type that every build of the plugin sees as the same; "
                + "use primitives, strings, dates and times, Guid, arrays, tuples, and the List, Dictionary, HashSet, Queue, Concurrent and Immutable collections of these",
                nameof(type));
        }
    }

    /// <summary>What is of an allowed type may still be something else inside: a type derived from it, or a comparer of the plugin's.</summary>
    public static void ThrowUnlessPlain(string key, object value)
    {
        ThrowUnlessAllowed(key, value.GetType());
        if (Comparers(value).FirstOrDefault(static comparer => comparer is not null && !IsFrameworks(comparer.GetType())) is { } own)
        {
            throw new ArgumentException($"state '{key}' cannot have the comparer {Name(own.GetType())}: it is, or calls, the plugin's own code, which would keep this build loaded; use one of the framework's", nameof(value));
        }
    }

    public static string Name(Type type) =>
        type.IsArray ? $"{Name(type.GetElementType()!)}[{new string(',', type.GetArrayRank() - 1)}]"
        : type.IsGenericType ? $"{type.Name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>"
        : _plain.Contains(type) || type.IsPrimitive ? type.Name
        : type.FullName ?? type.Name;

    private static Type? Forbidden(Type type)
    {
        if (type.IsPrimitive || _plain.Contains(type))
        {
            return null;
        }

        if (type.IsArray)
        {
            return Forbidden(type.GetElementType()!);
        }

        return type.IsGenericType && IsKnown(type.GetGenericTypeDefinition())
            ? type.GetGenericArguments().Select(Forbidden).FirstOrDefault(static part => part is not null)
            : type;
    }

    // A plugin can call a type of its own a tuple.
    private static bool IsKnown(Type definition) =>
        _collections.Contains(definition) || (typeof(ITuple).IsAssignableFrom(definition) && definition.Assembly == typeof(ValueTuple<>).Assembly);

    // One that is made of a delegate is the framework's by name alone.
    private static bool IsFrameworks(Type comparer) =>
        comparer.Assembly == typeof(object).Assembly && !comparer.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).Any(static field => typeof(Delegate).IsAssignableFrom(field.FieldType));

    // Those within a collection of collections are the plugin's word alone: to look at each element of a large one would cost more than it is worth.
    private static IEnumerable<object?> Comparers(object value) => value is IEnumerable and not string
        ? _comparers.Select(name => value.GetType().GetProperty(name)?.GetValue(value))
        : [];
}
