using System.Diagnostics.CodeAnalysis;

namespace PluginServer.Networking;

/// <summary>A thread that leads the loop when it is its turn, and waits in between.</summary>
[SuppressMessage("Design", "CA1001", Justification = "Lives as long as its thread, and holds no handle.")]
internal sealed class EpollFollower
{
    private readonly SemaphoreSlim _turn = new(0);
    private readonly Action<EpollFollower> _lead;
    private IEpollTarget? _inside;
    private int _number;
    private bool _ends;

    public EpollFollower(string name, Action<EpollFollower> lead)
    {
        _lead = lead;
        new Thread(Run) { IsBackground = true, Name = name }.UnsafeStart();
    }

    /// <summary>The term that it leads in. Handed over, not looked up: two terms may have passed before it starts.</summary>
    public uint Term { get; private set; }

    /// <summary>Whose event it is handling; null between two.</summary>
    public IEpollTarget? Inside
    {
        get => Volatile.Read(ref _inside);
        set => Volatile.Write(ref _inside, value);
    }

    /// <summary>Whether the thread waits for something, and not for a processor: proc(5), /proc/pid/stat, the third field.</summary>
    public bool IsAsleep
    {
        get
        {
            try
            {
                var stat = File.ReadAllText($"/proc/self/task/{Volatile.Read(ref _number)}/stat");
                return stat[stat.LastIndexOf(')') + 2] != 'R';
            }
            catch (IOException)
            {
                return true;
            }
        }
    }

    /// <summary>Lets it lead in a term.</summary>
    public void Begin(uint term)
    {
        Term = term;
        _turn.Release();
    }

    /// <summary>It will not lead again.</summary>
    public void End()
    {
        Volatile.Write(ref _ends, true);
        _turn.Release();
    }

    private void Run()
    {
        Volatile.Write(ref _number, Libc.ThreadNumber());
        _turn.Wait();
        while (!Volatile.Read(ref _ends))
        {
            _lead(this);
            _turn.Wait();
        }
    }
}
