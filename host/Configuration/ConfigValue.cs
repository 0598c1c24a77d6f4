using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace PluginServer.Configuration;

/// <summary>One value that is neither an object nor a list: from JSON to what the host works with, or why not.</summary>
/// <param name="Value">A bool, int, double, string, TimeSpan, IPAddress or IPNetwork; null for a JSON null and for the address "*".</param>
/// <param name="Fault">Null where the value is valid.</param>
internal readonly partial record struct ConfigValue(object? Value, string? Fault)
{
    /// <param name="key">What is known of the value.</param>
    /// <param name="token">The value.</param>
    /// <param name="written">A number as it stands in the file, which messages show; null for its usual form.</param>
    public static ConfigValue Of(ConfigKey key, JToken token, string? written = null)
    {
        if (token.Type == JTokenType.Null && key.IsNullable)
        {
            return new(null, null);
        }

        return (key.Kind, ((token as JValue)?.Value)) switch
        {
            (ConfigKind.Boolean, bool value) => new(value, null),
            (ConfigKind.Integer, long value) when value >= key.Minimum && value <= key.Maximum => new((int)value, null),
            (ConfigKind.Number, long or double) when token.Value<double>() is var value && value >= key.Minimum && value <= key.Maximum => new(value, null),
            (ConfigKind.Integer, _) when token.Type == JTokenType.Integer => new(null, OutOfRange(key, token, written)),
            (ConfigKind.Number, _) when token.Type is JTokenType.Integer or JTokenType.Float => new(null, OutOfRange(key, token, written)),
            (ConfigKind.Text, string value) when key.Matches(value) => new(value, null),
            (ConfigKind.Choice, string value) => Choice(key, value),
            (ConfigKind.Duration, string value) => Duration(key, value),
            (ConfigKind.Address, string value) => Address(key, value),
            (ConfigKind.Network, string value) when Network().IsMatch(value) && IPNetwork.TryParse(value, out var network) => new(network, null),
            (ConfigKind.Text or ConfigKind.Network, string) => new(null, $"{Shown(token)} is not allowed, expected {key.Expected}"),
            _ => new(null, $"found {Described(token, written)}, expected {key.Expected}"),
        };
    }

    /// <summary>A value as messages show it: on one line, and not the whole of a long one.</summary>
    public static string Shown(JToken token)
    {
        var text = token.ToString(Formatting.None);
        return text.Length <= 60 ? text : $"{text[..56]}...{text[^1]}";
    }

    /// <summary>A duration as it is written in the file, from zero on; null where it is none, or too long for a timer.</summary>
    public static TimeSpan? Time(string value) =>
        TimeText().IsMatch(value) && TimeSpan.TryParseExact(value, "c", CultureInfo.InvariantCulture, out var time) && time >= TimeSpan.Zero && time <= ConfigKey.LongestDuration ? time : null;

    private static ConfigValue Choice(ConfigKey key, string value)
    {
        if (key.Allowed.Contains(value))
        {
            return new(value, null);
        }

        var nearest = Nearest.To(value, key.Allowed) is { } close ? $"; did you mean \"{close}\"?" : "";
        return new(null, $"{Shown(value)} is not allowed, expected {key.Expected}{nearest}");
    }

    private static ConfigValue Duration(ConfigKey key, string value)
    {
        if (!TimeText().IsMatch(value) || !TimeSpan.TryParseExact(value, "c", CultureInfo.InvariantCulture, out var time))
        {
            return new(null, $"{Shown(value)} is not allowed, expected {key.Expected}");
        }

        var fault = time < TimeSpan.Zero ? "is negative" : time < key.Shortest ? "is too short" : time > ConfigKey.LongestDuration ? "is too long" : null;
        return new(time, fault is null ? null : $"{Shown(value)} {fault}, expected {key.Expected}");
    }

    // The framework also takes "1", "127.1", octal numbers and brackets with a port; written once, read alike by everyone.
    private static ConfigValue Address(ConfigKey key, string value)
    {
        if (value == "*")
        {
            return new(null, null);
        }

        var isAddress = IPAddress.TryParse(value, out var address) && !value.Contains('[') && (value.Contains(':') || address.ToString() == value);
        return isAddress
            ? new(address!.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address, null)
            : new(null, $"{Shown(value)} is not allowed, expected {key.Expected}");
    }

    private static string OutOfRange(ConfigKey key, JToken token, string? written) =>
        $"{written ?? Shown(token)} is out of range, expected {key.Expected}";

    private static string Described(JToken token, string? written) => token.Type switch
    {
        JTokenType.Object => "an object",
        JTokenType.Array => "a list",
        JTokenType.Null => "null",
        JTokenType.String => $"the text {Shown(token)}",
        JTokenType.Boolean => (bool)token ? "true" : "false",
        _ => $"the number {written ?? Shown(token)}",
    };

    // The framework reads "30" as thirty days and "00:30" as half an hour: all three parts must be there.
    [GeneratedRegex(@"\A-?([0-9]{1,8}\.)?[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,7})?\z")]
    private static partial Regex TimeText();

    [GeneratedRegex(@"\A([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)/[0-9]{1,3}\z")]
    private static partial Regex Network();
}
