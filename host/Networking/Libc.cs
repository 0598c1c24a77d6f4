using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace PluginServer.Networking;

/// <summary>The system calls of the epoll transport; each one's man page is of section 2. The numbers are those of Linux on x64 and
/// arm64 (asm-generic), the same for glibc and musl. Run on x64 with glibc; arm64 and musl are from the headers, not run.</summary>
/// <remarks>"libc" is a name that the runtime itself maps to glibc's or musl's file.</remarks>
internal static unsafe partial class Libc
{
    public const uint EpollIn = 1;
    public const uint EpollOut = 4;
    public const uint EpollErr = 8;
    public const uint EpollHup = 0x10;
    public const uint EpollReadHup = 0x2000;
    public const uint EpollEdge = 1u << 31;
    public const int EpollAdd = 1;
    public const int EpollDelete = 2;
    public const int EpollModify = 3;
    public const int WouldBlock = 11;
    public const int Interrupted = 4;
    public const int ShutWrite = 1;
    public const int SocketLevel = 1;
    public const int TcpLevel = 6;
    public const int OptionType = 3;
    public const int OptionAccepting = 30;
    public const int OptionDomain = 39;
    private const int LocalDomain = 1;
    private const int PathBytes = 108;
    private const int StreamSocket = 1;
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int PathOnly = 0x200000;

    /// <summary>send(2): a peer that has gone is an error of this call, not a signal to the process.</summary>
    private const int NoSignal = 0x4000;
    private const nuint BytesToRead = 0x541b;
    private const int OptionError = 4;
    private const int OptionLinger = 13;
    private const int TcpInfo = 11;
    private const int OptionPeerCredentials = 17;
    private const int LockExclusive = 2;
    private const int LockWithoutWaiting = 4;

    /// <summary>struct passwd and struct group both begin with two pointers, to the name and the password.</summary>
    private const int NumberOffset = 16;
    private const int SetDescriptorFlags = 2;
    private const int GetFlags = 3;
    private const int SetFlags = 4;
    private const int DuplicateClosedOnExec = 1030;
    private const int ClosedOnExec = 1;
    private const int Monotonic = 1;

    /// <summary>gettid(2): the number by which /proc/self/task knows the calling thread.</summary>
    public static int ThreadNumber() => gettid();

    public static int CreateEpoll() => epoll_create1(CloseOnExec);

    public static int CreateEvent() => eventfd(0, CloseOnExec | NonBlocking);

    public static void Signal(int eventDescriptor)
    {
        var one = 1L;
        _ = write(eventDescriptor, &one, sizeof(long));
    }

    /// <exception cref="ObjectDisposedException">The set is closed.</exception>
    public static int Control(EpollSet epoll, int operation, int descriptor, uint events, ulong data)
    {
        var entry = stackalloc byte[EpollEvents.LargestEntry];
        EpollEvents.Write(entry, events, data);
        return epoll_ctl(epoll, operation, descriptor, entry);
    }

    public static int Wait(EpollSet epoll, byte* events, int count, bool wait) => epoll_wait(epoll, events, count, wait ? -1 : 0);

    /// <summary>accept(2): the new descriptor does not inherit O_NONBLOCK on Linux, so it is asked for.</summary>
    public static int Accept(int listening, byte* address, int* length) => accept4(listening, address, length, NonBlocking | CloseOnExec);

    public static int LocalAddress(int descriptor, byte* address, int* length) => getsockname(descriptor, address, length);

    public static nint Receive(int descriptor, byte* target, nint count) => recv(descriptor, target, count, 0);

    /// <summary>ioctl(2), FIONREAD of tcp(7) and unix(7): whether bytes wait, and not only the peer's end or nothing. Unlike a recv(2) with
    /// MSG_PEEK it leaves a reset to be told to whoever receives.</summary>
    public static bool HasBytes(int descriptor)
    {
        int count;
        return ioctl(descriptor, BytesToRead, &count) == 0 && count > 0;
    }

    public static nint Send(int descriptor, byte* source, nint count) => send(descriptor, source, count, NoSignal);

    /// <summary>socketpair(2), unix(7): two connected stream sockets without an address.</summary>
    /// <exception cref="SocketException">The system has no more.</exception>
    public static (int, int) Pair()
    {
        var pair = stackalloc int[2];
        return socketpair(LocalDomain, StreamSocket | CloseOnExec, 0, pair) < 0 ? throw new SocketException((int)ErrorOf(LastError)) : (pair[0], pair[1]);
    }

    public static int ShutDown(int descriptor, int how) => shutdown(descriptor, how);

    public static int Close(int descriptor) => close(descriptor);

    public static int SetOption(int descriptor, int level, int name, int value) => setsockopt(descriptor, level, name, &value, sizeof(int));

    /// <summary>socket(7), SO_LINGER: on for 0 seconds, close(2) discards what is queued and sends a reset.</summary>
    public static void ResetOnClose(int descriptor)
    {
        var linger = stackalloc int[2] { 1, 0 };
        _ = setsockopt(descriptor, SocketLevel, OptionLinger, linger, 2 * sizeof(int));
    }

    /// <summary>socket(7), SO_ERROR: the pending error, 0 for none; asking clears it.</summary>
    public static int TakeError(int descriptor)
    {
        int error, length = sizeof(int);
        return getsockopt(descriptor, SocketLevel, OptionError, &error, &length) == 0 ? error : 0;
    }

    /// <summary>tcp(7), TCP_INFO.</summary>
    public static WireInfo Wire(int descriptor)
    {
        var info = stackalloc byte[WireInfo.Length];
        var length = WireInfo.Length;
        return getsockopt(descriptor, TcpLevel, TcpInfo, info, &length) == 0 && length == WireInfo.Length ? WireInfo.Of(new ReadOnlySpan<byte>(info, length)) : default;
    }

    /// <summary>socket(7), for the options that are read only: false when there is no such socket, and <see cref="LastError"/> says why.</summary>
    public static bool TryReadOption(int descriptor, int name, out int value)
    {
        int read, length = sizeof(int);
        var succeeded = getsockopt(descriptor, SocketLevel, name, &read, &length) == 0;
        value = succeeded ? read : 0;
        return succeeded;
    }

    /// <summary>fcntl(2), FD_CLOEXEC: false when it is not open.</summary>
    public static bool TryCloseOnExec(int descriptor) => fcntl(descriptor, SetDescriptorFlags, ClosedOnExec) == 0;

    /// <summary>fcntl(2), F_DUPFD_CLOEXEC: another number, from <paramref name="lowest"/> on, for the same open file description.</summary>
    /// <exception cref="SocketException">The process may open no more.</exception>
    public static int Duplicate(int descriptor, int lowest = 0)
    {
        var duplicate = fcntl(descriptor, DuplicateClosedOnExec, lowest);
        return duplicate < 0 ? throw new SocketException((int)ErrorOf(LastError)) : duplicate;
    }

    /// <summary>clock_gettime(2), CLOCK_MONOTONIC, in microseconds.</summary>
    public static long MonotonicTime()
    {
        var time = stackalloc long[2];
        _ = clock_gettime(Monotonic, time);
        return (time[0] * 1_000_000) + (time[1] / 1_000);
    }

    public static void SetNonBlocking(int descriptor) => _ = fcntl(descriptor, SetFlags, fcntl(descriptor, GetFlags, 0) | NonBlocking);

    /// <summary>unix(7), SO_PEERCRED: the process that connected or, asked at a client's end, the one that listens; 0 where it is not told.</summary>
    public static int PeerProcess(int descriptor)
    {
        var credentials = stackalloc int[3];
        var length = 3 * sizeof(int);
        return getsockopt(descriptor, SocketLevel, OptionPeerCredentials, credentials, &length) == 0 ? credentials[0] : 0;
    }

    /// <summary>open(2) and flock(2) of a folder, without waiting: a descriptor that holds the lock until it is closed, or -1.</summary>
    public static int TryLockFolder(string path)
    {
        var descriptor = open(path, CloseOnExec);
        if (descriptor >= 0 && flock(descriptor, LockExclusive | LockWithoutWaiting) == 0)
        {
            return descriptor;
        }

        var error = LastError;
        if (descriptor >= 0)
        {
            _ = close(descriptor);
        }

        Marshal.SetLastPInvokeError(error);
        return -1;
    }

    /// <summary>bind(2) to a path, unix(7): false where that fails.</summary>
    /// <remarks>What Socket.Bind has bound, its Dispose deletes: whatever lies at the path then.</remarks>
    public static bool Bind(int descriptor, string path)
    {
        Span<byte> address = stackalloc byte[sizeof(ushort) + PathBytes];
        address.Clear();
        MemoryMarshal.Write(address, (ushort)LocalDomain);
        Encoding.UTF8.GetBytes(path, address[sizeof(ushort)..^1]);
        fixed (byte* start = address)
        {
            return bind(descriptor, start, address.Length) == 0;
        }
    }

    /// <summary>open(2), O_PATH: holds what lies at a path, so that the kernel gives its number to nothing else, without opening it; -1 where that fails.</summary>
    public static int Hold(string path) => open(path, PathOnly | CloseOnExec);

    /// <summary>chown(2); -1 leaves one of the two as it is.</summary>
    public static int ChangeOwner(string path, int user, int group) => chown(path, user, group);

    /// <summary>getpwnam(3): null where there is no such user. Not for several threads at once.</summary>
    public static int? UserNumber(string name) => getpwnam(name) is var entry && entry != null ? *(int*)(entry + NumberOffset) : null;

    /// <summary>getgrnam(3), likewise.</summary>
    public static int? GroupNumber(string name) => getgrnam(name) is var entry && entry != null ? *(int*)(entry + NumberOffset) : null;

    /// <summary>The last error of this thread, by its number.</summary>
    public static int LastError => Marshal.GetLastPInvokeError();

    /// <summary>As the runtime names them (SocketErrorPal.Unix); what it has no name for is SocketError.SocketError.</summary>
    public static SocketError ErrorOf(int number) => number switch
    {
        0 => SocketError.Success,
        1 or 13 => SocketError.AccessDenied,
        4 => SocketError.Interrupted,
        6 => SocketError.HostNotFound,
        9 or 125 => SocketError.OperationAborted,
        11 => SocketError.WouldBlock,
        14 => SocketError.Fault,
        22 => SocketError.InvalidArgument,
        23 or 24 => SocketError.TooManyOpenSockets,
        32 or 108 => SocketError.Shutdown,
        88 => SocketError.NotSocket,
        89 => SocketError.DestinationAddressRequired,
        90 => SocketError.MessageSize,
        91 => SocketError.ProtocolType,
        92 => SocketError.ProtocolOption,
        93 => SocketError.ProtocolNotSupported,
        94 => SocketError.SocketNotSupported,
        95 => SocketError.OperationNotSupported,
        96 => SocketError.ProtocolFamilyNotSupported,
        97 => SocketError.AddressFamilyNotSupported,
        98 => SocketError.AddressAlreadyInUse,
        99 => SocketError.AddressNotAvailable,
        100 => SocketError.NetworkDown,
        101 => SocketError.NetworkUnreachable,
        102 => SocketError.NetworkReset,
        103 => SocketError.ConnectionAborted,
        104 => SocketError.ConnectionReset,
        105 => SocketError.NoBufferSpaceAvailable,
        106 => SocketError.IsConnected,
        107 => SocketError.NotConnected,
        110 => SocketError.TimedOut,
        111 => SocketError.ConnectionRefused,
        112 => SocketError.HostDown,
        113 => SocketError.HostUnreachable,
        114 => SocketError.AlreadyInProgress,
        115 => SocketError.InProgress,
        _ => SocketError.SocketError,
    };

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_create1(int flags);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc")]
    private static partial int gettid();

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_ctl(EpollSet epoll, int operation, int descriptor, byte* entry);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_wait(EpollSet epoll, byte* events, int count, int milliseconds);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int eventfd(uint initial, int flags);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int descriptor, void* source, nint count);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int accept4(int listening, byte* address, int* length, int flags);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int getsockname(int descriptor, byte* address, int* length);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recv(int descriptor, byte* target, nint count, int flags);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial nint send(int descriptor, byte* source, nint count, int flags);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int domain, int type, int protocol, int* pair);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int shutdown(int descriptor, int how);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int descriptor);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(int descriptor, int level, int name, void* value, int length);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int getsockopt(int descriptor, int level, int name, void* value, int* length);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int descriptor, int command, int argument);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(int descriptor, nuint request, int* value);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int bind(int descriptor, byte* address, int length);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(int descriptor, int operation);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chown(string path, int user, int group);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial byte* getpwnam(string name);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial byte* getgrnam(string name);

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [LibraryImport("libc", SetLastError = true)]
    private static partial int clock_gettime(int clock, long* time);
}
