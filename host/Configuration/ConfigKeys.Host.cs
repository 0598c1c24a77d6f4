using System.Collections.Immutable;
using static PluginServer.Configuration.ConfigChange;

namespace PluginServer.Configuration;

/// <content>The keys of the host and of its plugins.</content>
internal static partial class ConfigKeys
{
    private static ImmutableArray<ConfigKey> Host =>
    [
        Words("$schema", None, "The JSON schema by which an editor completes and checks this file."),
        Words("pluginDirectory", NewGeneration, "The folder that holds <Plugin>/<Plugin>.dll of each plugin, relative to this file.") with { Default = "artifacts/plugins" },
        Words("stateDirectory", NextStart, "The host's own folder, relative to this file: copies of builds, the token and the control socket. Under systemd the default is $STATE_DIRECTORY.") with { Default = ".plugin-server" },
        Whole("maxConnections", Live, Newtonsoft.Json.Linq.JValue.CreateNull(), 1, 1_000_000, "Connections at a time over all endpoints; null takes the limit from the number of files that the process may open."),
        Time("shutdownDelay", Live, "00:00:00", "How long a stop goes on accepting while readiness is already 503, so that load balancers turn away first.", zero: true),
        Time("shutdownTimeout", Live, "00:00:30", "How long connections have to end on a stop before what is left is cut.", zero: true),
    ];

    private static ImmutableArray<ConfigKey> Admin =>
    [
        new("admin", ConfigKind.Object, ByMember, "The administration endpoint: dashboard, health, metrics and the API."),
        Flag("admin.enabled", NextStart, true, "Whether there is an administration endpoint; the control socket is there either way."),
        new("admin.address", ConfigKind.Address, NextStart, "The IP address that the administration endpoint listens on; off loopback it needs TLS, and the token for every call.") { Default = "127.0.0.1" },
        Whole("admin.port", NextStart, 7070, 0, 65535, "The port of the administration endpoint; 0 takes any free one."),
        .. Tls(new("admin.tls", ConfigKind.Object, NextStart, "TLS of the administration endpoint; required where it is off loopback.")),
    ];

    private static ImmutableArray<ConfigKey> Plugins =>
    [
        new("plugins", ConfigKind.Map, ByMember, "What is set for single plugins, by their names.") { Pattern = NamePattern, Form = NameForm },
        new("plugins.*", ConfigKind.Object, ByMember, "What is set for one plugin."),
        new("plugins.*.settings", ConfigKind.Settings, NewGeneration, "The plugin's own settings, for its services."),
        OnlyDefault(OneOf("plugins.*.isolation", NewGeneration, "Where the plugin runs: in a load context inside the host, or in a worker process.", "none", "process")),
        OneOf("plugins.*.dispatch", NextConnection, "Which threads run the plugin's handlers: inline on the socket loop, or the generation's own; auto moves those that keep blocking.", "auto", "inline", "own"),
        Time("plugins.*.drainTimeout", Live, null, "How long connections of a replaced build may go on after they have been told; null lets them go on until they end and never tells them.", zero: true),
        Words("plugins.*.sha256", NewGeneration, "The hash of the one build that may run, as `check` prints it.", "^[0-9A-Fa-f]{64}$", "64 hexadecimal digits"),
        OneOf("plugins.*.logLevel", Live, "The least severe messages of the plugin that are logged.", "Information", "Trace", "Debug", "Warning", "Error", "Critical", "None"),
        OnlyAbsent(new("plugins.*.canary", ConfigKind.Object, Live, "How a new build proves itself on some connections before it gets them all."), "which gives a new build every new connection"),
        Whole("plugins.*.canary.percent", Live, null, 1, 100, "Share of the new connections that go to the new build."),
        Whole("plugins.*.canary.connections", Live, null, 1, 1_000_000_000, "Connections that the new build must serve before it gets them all."),
        new("plugins.*.canary.maxFaultRate", ConfigKind.Number, Live, "Share of those connections that may fail before the new build is rolled back.") { Maximum = 1 },
    ];
}
