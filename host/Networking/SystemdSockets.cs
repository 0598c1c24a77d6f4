using System.Globalization;

namespace PluginServer.Networking;

/// <summary>The sockets that systemd has opened for this process; see sd_listen_fds(3) and systemd.socket(5).</summary>
internal sealed class SystemdSockets
{
    /// <summary>SD_LISTEN_FDS_START.</summary>
    public const int First = 3;

    /// <summary>What sd_listen_fds_with_names(3) calls them where systemd says no names.</summary>
    private const string NoName = "unknown";
    private readonly string _whyNone = "LISTEN_FDS is not set; start it by its .socket unit";

    public SystemdSockets(IEnumerable<PassedSocket> passed) => Passed = [.. passed];

    private SystemdSockets(string whyNone)
    {
        Passed = [];
        _whyNone = whyNone;
    }

    /// <summary>In systemd's order.</summary>
    public IReadOnlyList<PassedSocket> Passed { get; }

    /// <summary>Of this process: to be called once, before anything starts a child.</summary>
    public static SystemdSockets OfProcess() => Read(SystemdVariables.Take, Environment.ProcessId);

    /// <summary>Reads what systemd says, and has the descriptors closed in children. Never fails: whoever needs a socket is told why there is none.</summary>
    /// <param name="take">The value of a variable, which is not set any more then.</param>
    /// <param name="processId">For whom it must be meant.</param>
    /// <param name="first">The number of the first descriptor.</param>
    public static SystemdSockets Read(Func<string, string?> take, int processId, int first = First)
    {
        // All of them, whatever they say; the last one is of newer systemds, and says of the process what the first says.
        var (owner, count, names, _) = (take("LISTEN_PID"), take("LISTEN_FDS"), take("LISTEN_FDNAMES"), take("LISTEN_PIDFDID"));
        if (string.IsNullOrEmpty(count))
        {
            return new SystemdSockets([]);
        }

        if (!int.TryParse(owner, CultureInfo.InvariantCulture, out var meant) || meant != processId)
        {
            return new SystemdSockets($"LISTEN_PID is '{owner}', and this process {processId}; ExecStart= must start it without a shell or launcher between, or by \"exec\"");
        }

        if (!int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var sockets) || sockets == 0 || sockets > int.MaxValue - first)
        {
            return new SystemdSockets($"LISTEN_FDS is '{count}', and should be how many there are");
        }

        var named = names?.Split(':');
        return named is not null && named.Length != sockets
            ? new SystemdSockets($"LISTEN_FDNAMES has {named.Length} names, '{names}', for LISTEN_FDS={sockets}")
            : Receive(sockets, named, first);
    }

    /// <summary>The only socket of a name.</summary>
    /// <exception cref="ListenException">There is none, or more than one, or it is not one to accept TCP or Unix connections from; the message says
    /// what to do.</exception>
    public TakenSocket Take(string name)
    {
        if (Passed.Count == 0)
        {
            throw new ListenException($"no sockets were passed by systemd: {_whyNone}");
        }

        var found = Passed.Where(passed => passed.Name == name).ToList();
        return found.Count switch
        {
            1 => found[0].Take(),
            0 => throw new ListenException($"systemd passed no socket named '{name}'; it passed: {string.Join(", ", Passed.Select(passed => passed.Name).Distinct())}"),
            var several => throw new ListenException($"systemd passed {several} sockets named '{name}', and an endpoint takes one: a .socket unit of its own for each, with one ListenStream= and a FileDescriptorName="),
        };
    }

    private static SystemdSockets Receive(int count, string[]? names, int first)
    {
        var passed = new List<PassedSocket>();
        for (var number = 0; number < count; number++)
        {
            if (!Libc.TryCloseOnExec(first + number))
            {
                return new SystemdSockets($"LISTEN_FDS is {count}, but descriptor {first + number} is not open");
            }

            passed.Add(new PassedSocket(names?[number] ?? NoName, first + number));
        }

        return new SystemdSockets(passed);
    }
}
