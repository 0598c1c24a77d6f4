namespace PluginServer.Networking;

/// <summary>The events that the leader of a loop handles next. Who leaves comes after whoever comes or has something to say, and only
/// some at a time: thousands who leave in one instant keep nobody waiting.</summary>
/// <remarks>Filled by the leader alone, while it waits: nobody takes its term away meanwhile.</remarks>
internal sealed unsafe class EpollBatch
{
    /// <summary>Of those that leave, so many are handled before the kernel is asked again who else there is.</summary>
    public const int DeparturesAtOnce = 64;

    private const int Size = 512;
    private const uint Departing = Libc.EpollReadHup | Libc.EpollHup | Libc.EpollErr;
    private readonly EpollEvents _events = new(Size + DeparturesAtOnce);
    private readonly Queue<(uint Events, ulong Data)> _departures = new();

    public int Count { get; private set; }

    public (uint Events, ulong Data) this[int index] => _events.Read(index);

    /// <summary>Waits for events unless there are some left.</summary>
    public void Fill(EpollSet epoll)
    {
        Count = 0;
        int room, found;
        do
        {
            room = Size - Count;
            found = Math.Max(Libc.Wait(epoll, _events.At(Count), room, wait: Count == 0 && _departures.Count == 0), 0);
            PutDeparturesAside(Count + found);
        }
        while (found == room && Count < Size);

        for (var left = DeparturesAtOnce; left > 0 && _departures.TryDequeue(out var departure); left--)
        {
            EpollEvents.Write(_events.At(Count++), departure.Events, departure.Data);
        }
    }

    // A request whose client has nothing to add looks like a departure, so where it would have to wait the kernel is asked. The number
    // may be another's by now: then the wrong one is asked, which changes nothing but the order.
    private bool IsUrgent(ulong data) => _departures.Count >= DeparturesAtOnce && Libc.HasBytes(EpollTargets.DescriptorOf(data));

    private void PutDeparturesAside(int end)
    {
        for (var index = Count; index < end; index++)
        {
            var (events, data) = _events.Read(index);
            if ((events & Departing) != 0 && !IsUrgent(data))
            {
                _departures.Enqueue((events, data));
            }
            else
            {
                EpollEvents.Write(_events.At(Count++), events, data);
            }
        }
    }
}
