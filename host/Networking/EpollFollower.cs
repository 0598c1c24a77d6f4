using System.Diagnostics.CodeAnalysis;

namespace PluginServer.Networking;

/// <summary>A thread that leads the loop when it is its turn, and waits in between.</summary>
[SuppressMessage("Design", "CA1001", Justification = "Lives as long as its thread, which never ends.")]
internal sealed class EpollFollower
{
    private readonly SemaphoreSlim _turn = new(0);
    private readonly Action<EpollFollower> _lead;
    private IEpollTarget? _inside;

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

    /// <summary>Lets it lead in a term.</summary>
    public void Begin(uint term)
    {
        Term = term;
        _turn.Release();
    }

    private void Run()
    {
        while (true)
        {
            _turn.Wait();
            _lead(this);
        }
    }
}
