using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using PluginServer.Networking;

namespace PluginServer.Tests.Networking;

/// <summary>What systemd says that it passes, and what is said where it passes something else.</summary>
[Platform("Linux")]
internal sealed partial class SystemdSocketsTests
{
    /// <summary>No process has so many.</summary>
    private const int NotOpen = 1 << 24;
    private const int Me = 4711;
    private const int SetDescriptorFlags = 2;
    private readonly List<IDisposable> _open = [];

    [TearDown]
    public void Close() => _open.ForEach(open => open.Dispose());

    [Test]
    public void Without_systemd_there_are_none_and_whoever_needs_one_is_told() =>
        AssertNone([], "LISTEN_FDS is not set; start it by its .socket unit");

    [TestCase("4712")]
    [TestCase("")]
    [TestCase("me")]
    public void What_is_meant_for_another_process_is_nothing_passed(string owner) =>
        AssertNone(
            new() { ["LISTEN_PID"] = owner, ["LISTEN_FDS"] = "1" },
            $"LISTEN_PID is '{owner}', and this process 4711; ExecStart= must start it without a shell or launcher between, or by \"exec\"");

    [TestCase("0")]
    [TestCase("-1")]
    [TestCase("2147483647")]
    [TestCase("99999999999")]
    [TestCase("some")]
    public void A_count_that_is_none_is_told(string count) =>
        AssertNone(new() { ["LISTEN_PID"] = "4711", ["LISTEN_FDS"] = count }, $"LISTEN_FDS is '{count}', and should be how many there are");

    [Test]
    public void Names_that_are_not_as_many_as_the_sockets_are_told() =>
        AssertNone(
            new() { ["LISTEN_PID"] = "4711", ["LISTEN_FDS"] = "3", ["LISTEN_FDNAMES"] = "a:b" },
            "LISTEN_FDNAMES has 2 names, 'a:b', for LISTEN_FDS=3");

    [Test]
    public void A_descriptor_that_is_not_open_is_told() =>
        AssertNone(new() { ["LISTEN_PID"] = "4711", ["LISTEN_FDS"] = "2" }, $"LISTEN_FDS is 2, but descriptor {NotOpen} is not open", NotOpen);

    [TestCase("4711")]
    [TestCase("4712")]
    public void The_variables_are_taken_away_whomever_they_are_meant_for(string owner)
    {
        var variables = new Dictionary<string, string> { ["LISTEN_PID"] = owner, ["LISTEN_FDS"] = "1", ["LISTEN_FDNAMES"] = "a", ["LISTEN_PIDFDID"] = "1", ["PATH"] = "/bin" };
        Read(variables, Listening().Number);
        Assert.That(variables.Keys, Is.EqualTo(new[] { "PATH" }));
    }

    [Test]
    [NonParallelizable]
    public void Those_of_the_process_too()
    {
        Environment.SetEnvironmentVariable("LISTEN_PID", "1");
        Environment.SetEnvironmentVariable("LISTEN_FDS", "1");
        Assert.That(() => SystemdSockets.OfProcess().Take("web"), Throws.TypeOf<ListenException>().With.Message.Contains("LISTEN_PID is '1'"));
        Assert.That(Environment.GetEnvironmentVariable("LISTEN_PID") ?? Environment.GetEnvironmentVariable("LISTEN_FDS"), Is.Null);
    }

    [Test]
    public void Sockets_have_their_names_in_order()
    {
        var (first, second) = (Listening(), Listening());
        var number = Adjacent(first.Number, second.Number);
        var sockets = Read(new() { ["LISTEN_PID"] = "4711", ["LISTEN_FDS"] = "2", ["LISTEN_FDNAMES"] = "web:kv" }, number);
        Assert.That(sockets.Passed.Select(passed => passed.Name), Is.EqualTo(new[] { "web", "kv" }));
        Assert.That(sockets.Take("kv").Socket.LocalEndPoint, Is.EqualTo(second.Socket.LocalEndPoint));
        Assert.That(sockets.Take("web").Socket.LocalEndPoint, Is.EqualTo(first.Socket.LocalEndPoint));
    }

    [Test]
    public void Without_names_each_is_unknown()
    {
        var sockets = Read(new() { ["LISTEN_PID"] = "4711", ["LISTEN_FDS"] = "1" }, Listening().Number);
        Assert.That(() => sockets.Take("unknown"), Throws.Nothing);
    }

    [Test]
    public void No_child_has_them_and_none_what_is_taken()
    {
        var number = Listening().Number;
        Assert.That(SetFlags(number, SetDescriptorFlags, 0), Is.Zero);
        Assert.That(IsClosedInChildren(number), Is.False, "as systemd passes it");
        var sockets = Read(new() { ["LISTEN_PID"] = "4711", ["LISTEN_FDS"] = "1", ["LISTEN_FDNAMES"] = "web" }, number);
        Assert.That(IsClosedInChildren(number), Is.True);
        Assert.That(IsClosedInChildren((int)sockets.Take("web").Socket.SafeHandle.DangerousGetHandle()), Is.True);
    }

    [Test]
    public void A_name_that_was_not_passed_is_told_with_those_that_were()
    {
        var sockets = new SystemdSockets([Passed("a"), Passed("b"), Passed("b")]);
        Assert.That(() => sockets.Take("web"), Throws.TypeOf<ListenException>().With.Message.EqualTo("systemd passed no socket named 'web'; it passed: a, b"));
    }

    [Test]
    public void A_name_that_several_have_is_no_choice()
    {
        var sockets = new SystemdSockets([Passed("a"), Passed("b"), Passed("a")]);
        Assert.That(() => sockets.Take("a"), Throws.TypeOf<ListenException>().With.Message.EqualTo(
            "systemd passed 2 sockets named 'a', and an endpoint takes one: a .socket unit of its own for each, with one ListenStream= and a FileDescriptorName="));
        Assert.That(() => sockets.Take("b"), Throws.Nothing);
    }

    [TestCase(SocketType.Dgram, "a datagram socket", "ListenStream= in its .socket unit")]
    [TestCase(SocketType.Seqpacket, "a sequential packet socket", "ListenStream= in its .socket unit")]
    [TestCase(SocketType.Stream, "a socket that does not listen: with Accept=yes systemd accepts by itself and passes connections", "Accept=no in its .socket unit")]
    public void Another_kind_of_socket_is_told(SocketType type, string found, string remedy)
    {
        var socket = Kept(new Socket(AddressFamily.Unix, type, ProtocolType.Unspecified));
        AssertFlaw((int)socket.SafeHandle.DangerousGetHandle(), $"systemd passed 'web' as {found}; an endpoint needs a stream socket that listens, TCP or Unix: {remedy}");
    }

    [Test]
    public void Another_family_is_told()
    {
        // vsock(7): struct sockaddr_vm with VMADDR_PORT_ANY and VMADDR_CID_ANY.
        const byte vsock = 40;
        byte[] address = [vsock, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        var number = OpenSocket(vsock, 1, 0);
        if (number >= 0)
        {
            Kept(new SafeSocketHandle(number, ownsHandle: true));
        }

        if (number < 0 || Bind(number, address, address.Length) < 0 || Listen(number, 1) < 0)
        {
            Assert.Ignore("nobody can listen on a socket of family 40, vsock(7), on this system");
        }

        AssertFlaw(number, "systemd passed 'web' as a listening socket of address family 40; an endpoint needs a stream socket that listens, TCP or Unix: a port, an address or a path in ListenStream=");
    }

    [Test]
    public void What_is_no_socket_is_told()
    {
        var file = Kept(File.OpenHandle("/dev/null"));
        AssertFlaw((int)file.DangerousGetHandle(), "systemd passed 'web' as something else than a socket; an endpoint needs a stream socket that listens, TCP or Unix: a ListenStream= in its .socket unit");
    }

    [Test]
    public void One_that_somebody_has_closed_is_told() =>
        AssertFlaw(NotOpen, $"the socket 'web' that systemd passed cannot be used: descriptor {NotOpen} is not open any more");

    [Test]
    public void A_number_that_is_not_to_be_had_is_told() =>
        Assert.That(() => new PassedSocket("web", Listening().Number, lowest: NotOpen).Take(), Throws.TypeOf<ListenException>().With.Message.StartsWith("the socket 'web' that systemd passed cannot be used: "));

    private static SystemdSockets Read(Dictionary<string, string> variables, int first) =>
        SystemdSockets.Read(name => variables.Remove(name, out var value) ? value : null, Me, first);

    private static void AssertNone(Dictionary<string, string> variables, string why, int first = SystemdSockets.First)
    {
        var sockets = Read(variables, first);
        Assert.That(sockets.Passed, Is.Empty);
        Assert.That(() => sockets.Take("web"), Throws.TypeOf<ListenException>().With.Message.EqualTo($"no sockets were passed by systemd: {why}"));
    }

    private static void AssertFlaw(int descriptor, string flaw) =>
        Assert.That(() => new SystemdSockets([new PassedSocket("web", descriptor)]).Take("web"), Throws.TypeOf<ListenException>().With.Message.EqualTo(flaw));

    private static bool IsClosedInChildren(int descriptor)
    {
        // proc(5): the flags in octal, with O_CLOEXEC among them.
        var flags = File.ReadLines($"/proc/self/fdinfo/{descriptor}").Single(line => line.StartsWith("flags:", StringComparison.Ordinal));
        return (Convert.ToInt32(flags[6..].Trim(), 8) & 0x80000) != 0;
    }

    private PassedSocket Passed(string name) => new(name, Listening().Number);

    private (Socket Socket, int Number) Listening()
    {
        var socket = Kept(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen();
        return (socket, (int)socket.SafeHandle.DangerousGetHandle());
    }

    /// <summary>The two under numbers that follow each other; the first of them.</summary>
    private int Adjacent(int first, int second)
    {
        while (true)
        {
            var one = Libc.Duplicate(first);
            Kept(new SafeSocketHandle(one, ownsHandle: true));
            var other = Libc.Duplicate(second, one + 1);
            Kept(new SafeSocketHandle(other, ownsHandle: true));
            if (other == one + 1)
            {
                return one;
            }
        }
    }

    private T Kept<T>(T open)
        where T : IDisposable
    {
        _open.Add(open);
        return open;
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetFlags(int descriptor, int command, int argument);

    [LibraryImport("libc", EntryPoint = "socket")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int OpenSocket(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "listen")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Listen(int descriptor, int backlog);

    [LibraryImport("libc", EntryPoint = "bind")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Bind(int descriptor, byte[] address, int length);
}
