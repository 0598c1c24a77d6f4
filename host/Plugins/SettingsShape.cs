using System.Reflection;
using Microsoft.Extensions.Configuration;
using PluginServer.Configuration;

namespace PluginServer.Plugins;

/// <summary>Holds settings against the type they are for, key by key, so that every error has its line and column.</summary>
/// <remarks>The configuration binder itself stops at the first error and knows no positions.</remarks>
internal sealed class SettingsShape(ConfigSettings settings, IConfiguration configuration, Func<Type, string, object?> convert, List<ConfigError> errors)
{
    public void Check(Type type) => CheckChildren(type, configuration);

    private void CheckChildren(Type type, IConfiguration section)
    {
        var element = ElementOf(type);
        var properties = element is null ? Properties(type) : null;
        foreach (var child in section.GetChildren())
        {
            if (element is not null)
            {
                CheckValue(element, child);
            }
            else if (properties!.TryGetValue(child.Key, out var property))
            {
                CheckValue(property, child);
            }
            else
            {
                var known = properties.Keys.Order(StringComparer.OrdinalIgnoreCase).ToList();
                var cure = Nearest.To(child.Key, known) is { } nearest ? $"did you mean '{nearest}'?" : $"{type.Name} has {string.Join(", ", known)}";
                errors.Add(settings.At(child.Path).ErrorAtKey($"unknown setting '{child.Key}'; {cure}"));
            }
        }
    }

    private void CheckValue(Type type, IConfigurationSection section)
    {
        var target = Nullable.GetUnderlyingType(type) ?? type;
        if (section.GetChildren().Any())
        {
            if (IsScalar(target))
            {
                errors.Add(settings.At(section.Path).Error($"is an object or a list; allowed is {Allowed(target)}"));
            }
            else
            {
                CheckChildren(target, section);
            }
        }
        else if (section.Value is { } text && target != typeof(string) && target != typeof(object))
        {
            CheckText(target, section, text);
        }
    }

    private void CheckText(Type type, IConfigurationSection section, string text)
    {
        object? converted = null;
        try
        {
            converted = convert(type, section.Path);
        }
        catch (Exception)
        {
            // What the converter says is about converters; what is allowed says more.
        }

        if (converted is null && text.Length > 0)
        {
            errors.Add(settings.At(section.Path).Error($"'{text}' does not fit; allowed is {Allowed(type)}"));
        }
    }

    private static Dictionary<string, Type> Properties(Type type)
    {
        var found = new Dictionary<string, Type>(StringComparer.OrdinalIgnoreCase);
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.GetIndexParameters().Length == 0))
        {
            found[property.GetCustomAttribute<ConfigurationKeyNameAttribute>()?.Name ?? property.Name] = property.PropertyType;
        }

        return found;
    }

    /// <summary>The type of the values of a dictionary, list or array; null for any other.</summary>
    private static Type? ElementOf(Type type)
    {
        if (type.IsArray)
        {
            return type.GetElementType();
        }

        if (type == typeof(string))
        {
            return null;
        }

        var faces = type.GetInterfaces().Append(type).Where(face => face.IsGenericType).ToList();
        return faces.FirstOrDefault(face => face.GetGenericTypeDefinition() == typeof(IDictionary<,>))?.GetGenericArguments()[1]
            ?? faces.FirstOrDefault(face => face.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>))?.GetGenericArguments()[1]
            ?? faces.FirstOrDefault(face => face.GetGenericTypeDefinition() == typeof(IEnumerable<>))?.GetGenericArguments()[0];
    }

    private static bool IsScalar(Type type) =>
        type.IsPrimitive || type.IsEnum || type == typeof(string) || type == typeof(decimal) || type == typeof(TimeSpan)
        || type == typeof(DateTime) || type == typeof(DateTimeOffset) || type == typeof(Guid) || type == typeof(Uri) || type == typeof(Version);

    private static string Allowed(Type type) => Type.GetTypeCode(type) switch
    {
        _ when type.IsEnum => $"one of {string.Join(", ", Enum.GetNames(type))}",
        _ when type == typeof(TimeSpan) => "a duration such as \"00:00:30\"",
        TypeCode.Boolean => "true or false",
        TypeCode.SByte or TypeCode.Byte or TypeCode.Int16 or TypeCode.UInt16 or TypeCode.Int32 or TypeCode.UInt32 or TypeCode.Int64 or TypeCode.UInt64 =>
            $"a whole number from {type.GetField("MinValue")!.GetValue(null)} to {type.GetField("MaxValue")!.GetValue(null)}",
        TypeCode.Single or TypeCode.Double or TypeCode.Decimal => "a number",
        TypeCode.Object when !IsScalar(type) => $"an object ({type.Name})",
        _ => $"a {type.Name}",
    };
}
