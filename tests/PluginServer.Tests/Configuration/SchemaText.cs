using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using PluginServer.Configuration;

namespace PluginServer.Tests.Configuration;

/// <summary>The table of keys as a JSON schema; draft 7 is what editors know best.</summary>
internal static class SchemaText
{
    public static string Write()
    {
        var schema = new JObject
        {
            ["$schema"] = "http://json-schema.org/draft-07/schema#",
            ["title"] = "plugins.json of PluginServer",
            // Not of the standard: they tell VS Code what our reader allows.
            ["allowComments"] = true,
            ["allowTrailingCommas"] = true,
        };
        schema.Merge(Of(ConfigKeys.Root));
        return schema.ToString(Formatting.Indented).ReplaceLineEndings("\n") + "\n";
    }

    private static JObject Of(ConfigKey key)
    {
        var schema = new JObject { ["description"] = key.Description + Support(key), ["type"] = Type(key) };
        if (key.Default is { } value)
        {
            schema["default"] = value;
        }

        switch (key.Kind)
        {
            case ConfigKind.Integer or ConfigKind.Number:
                schema["minimum"] = Number(key.Minimum);
                schema["maximum"] = Number(key.Maximum);
                break;
            case ConfigKind.Choice:
                schema["enum"] = new JArray(key.Allowed);
                break;
            case ConfigKind.Text:
                schema["pattern"] = key.Pattern;
                break;
            case ConfigKind.Duration:
                schema["pattern"] = @"^([0-9]{1,2}\.)?([01]?[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,7})?$";
                break;
            case ConfigKind.Address:
                schema["pattern"] = @"^(\*|[0-9]+(\.[0-9]+){3}|[^\[\]\s]*:[^\[\]\s]*)$";
                break;
            case ConfigKind.Network:
                schema["pattern"] = "^[0-9A-Fa-f:.]+/[0-9]{1,3}$";
                break;
            case ConfigKind.List:
                schema["items"] = Of(ConfigKeys.Below(key)[0]);
                break;
            case ConfigKind.Map:
                schema["propertyNames"] = new JObject { ["pattern"] = key.Pattern };
                schema["additionalProperties"] = Of(ConfigKeys.Below(key)[0]);
                break;
            case ConfigKind.Object:
                AddMembers(schema, key);
                break;
        }

        return schema;
    }

    private static void AddMembers(JObject schema, ConfigKey key)
    {
        var members = ConfigKeys.Below(key);
        schema["properties"] = new JObject(members.Select(member => new JProperty(member.Name, Of(member))));
        schema["additionalProperties"] = false;
        if (members.Any(member => member.Required && member.Instead.IsEmpty))
        {
            schema["required"] = new JArray(members.Where(member => member.Required && member.Instead.IsEmpty).Select(member => member.Name));
        }

        if (members.FirstOrDefault(member => !member.Instead.IsEmpty) is { } either)
        {
            schema["anyOf"] = new JArray(either.Instead.Prepend(either.Name).Select(name => new JObject { ["required"] = new JArray(name) }));
        }
    }

    private static JToken Type(ConfigKey key)
    {
        var type = key.Kind switch
        {
            ConfigKind.Boolean => "boolean",
            ConfigKind.Integer => "integer",
            ConfigKind.Number => "number",
            ConfigKind.List => "array",
            ConfigKind.Object or ConfigKind.Map or ConfigKind.Settings => "object",
            _ => "string",
        };
        return key.IsNullable ? new JArray(type, "null") : type;
    }

    private static string Support(ConfigKey key) => key.Supported switch
    {
        null => "",
        { IsEmpty: true } => " Not supported by this version.",
        { } values => $" This version supports only {(key.Kind == ConfigKind.Address ? "addresses in " : "")}{string.Join(" and ", values.Select(value => value.ToString(Formatting.None)))}.",
    };

    private static JValue Number(double value) => value % 1 == 0 ? new JValue((long)value) : new JValue(value);
}
