using System.Globalization;

namespace PluginServer.Networking;

/// <summary>To whom the file of a Unix socket belongs, by names or numbers: "user" or "user:group".</summary>
internal readonly record struct SocketOwner(int User, int Group)
{
    private const int AsItIs = -1;
    private static readonly Lock Gate = new();

    /// <summary>What plugins.json says; without a group it stays the host's.</summary>
    /// <param name="text">Null leaves both as they are.</param>
    /// <param name="fault">What is not known on this machine, and what to do; null where all is.</param>
    public static SocketOwner Parse(string? text, out string? fault)
    {
        fault = null;
        if (text is null)
        {
            return new SocketOwner(AsItIs, AsItIs);
        }

        var parts = text.Split(':');
        var user = Number(parts[0], Libc.UserNumber);
        var group = parts.Length > 1 ? Number(parts[1], Libc.GroupNumber) : AsItIs;
        fault = user is null ? $"there is no user '{parts[0]}' on this machine; name one that there is, or its number"
            : group is null ? $"there is no group '{parts[1]}' on this machine; name one that there is, or its number"
            : null;
        return new SocketOwner(user ?? AsItIs, group ?? AsItIs);
    }

    private static int? Number(string text, Func<string, int?> find)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return number;
        }

        lock (Gate)
        {
            return find(text);
        }
    }
}
