using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace PluginServer.Networking;

/// <summary>A lock of eight bytes for what takes microseconds, that the thread which has it may take again.</summary>
/// <remarks>Thousands of connections have two each, and take them four times for a message: the runtime's own locks are an object more, or calls
/// into the runtime, which cost 2 % of an echo. Whoever finds it taken spins and gives its processor away. A field, never a copy.</remarks>
internal struct Gate
{
    private int _owner;
    private int _again;

    /// <summary>Takes it; disposing what is returned gives it back.</summary>
    [UnscopedRef]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Held Hold()
    {
        var me = Environment.CurrentManagedThreadId;
        if (Interlocked.CompareExchange(ref _owner, me, 0) != 0)
        {
            Wait(me);
        }

        return new Held(ref this);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Wait(int me)
    {
        if (Volatile.Read(ref _owner) == me)
        {
            _again++;
            return;
        }

        var spin = default(SpinWait);
        do
        {
            // Never a sleep: the socket loop may be the one who waits, and whoever has it is about to go on.
            spin.SpinOnce(sleep1Threshold: -1);
        }
        while (Volatile.Read(ref _owner) != 0 || Interlocked.CompareExchange(ref _owner, me, 0) != 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Return()
    {
        if (_again == 0)
        {
            Volatile.Write(ref _owner, 0);
        }
        else
        {
            _again--;
        }
    }

    /// <summary>Whoever has this has the gate.</summary>
    public readonly ref struct Held
    {
        private readonly ref Gate _gate;

        internal Held(ref Gate gate) => _gate = ref gate;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Dispose() => _gate.Return();
    }
}
