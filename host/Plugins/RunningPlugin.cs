namespace PluginServer.Plugins;

/// <summary>One plugin of a running host: the generation that serves, those before it, and what failed.</summary>
/// <remarks>Changed only by the one who applies changes; read by status at any time.</remarks>
internal sealed class RunningPlugin(string name)
{
    /// <summary>How many generations are remembered that are gone or never served.</summary>
    private const int Remembered = 10;

    private readonly Lock _gate = new();
    private readonly List<PluginGeneration> _generations = [];
    private readonly List<FailedGeneration> _failed = [];
    private int _last;

    public string Name => name;

    /// <summary>Serves new connections; null when no endpoint names the plugin any more.</summary>
    public PluginGeneration? Active { get; private set; }

    /// <summary>Why the build in the drop folder does not serve; null when it does.</summary>
    public string? LastError { get; private set; }

    /// <summary>The newest first: everything that is not gone, and the last ten that are.</summary>
    public IReadOnlyList<PluginGeneration> Generations
    {
        get
        {
            lock (_gate)
            {
                return [.. _generations.OrderByDescending(generation => generation.Number)];
            }
        }
    }

    public IReadOnlyList<FailedGeneration> Failed
    {
        get
        {
            lock (_gate)
            {
                return [.. _failed];
            }
        }
    }

    /// <summary>The number of a generation that was made before the plugin was known here.</summary>
    public void Reached(int number) => _last = Math.Max(_last, number);

    public int NextNumber() => Interlocked.Increment(ref _last);

    /// <summary>Puts a generation in place; the one before is returned, to be retired.</summary>
    public PluginGeneration? Activate(PluginGeneration? next)
    {
        lock (_gate)
        {
            var before = Active;
            Active = next;
            LastError = null;
            if (next is not null)
            {
                _generations.Add(next);
            }

            Forget();
            return before;
        }
    }

    /// <summary>Takes note of a build that was refused.</summary>
    public void Fail(string sha256, string error, DateTimeOffset at)
    {
        lock (_gate)
        {
            LastError = error;
            _failed.Insert(0, new FailedGeneration(NextNumber(), sha256, error, at));
            Forget();
        }
    }

    /// <summary>The drop folder holds what serves, or what was rolled back on purpose.</summary>
    public void ClearError() => LastError = null;

    private void Forget()
    {
        var gone = _generations.Where(generation => generation.State == GenerationState.Unloaded).OrderByDescending(generation => generation.Number).Skip(Remembered).ToList();
        _generations.RemoveAll(gone.Contains);
        if (_failed.Count > Remembered)
        {
            _failed.RemoveRange(Remembered, _failed.Count - Remembered);
        }
    }
}

/// <summary>A build that was refused, and why.</summary>
internal sealed record FailedGeneration(int Number, string Sha256, string Error, DateTimeOffset At);
