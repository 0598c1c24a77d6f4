namespace PluginServer.Plugins;

/// <summary>One connection's hold on its generation, which is not unloaded before the last one is given back.</summary>
internal sealed class HandlerLease(HandlerBinding binding) : IDisposable
{
    private HandlerBinding? _binding = binding;

    public HandlerBinding Binding => _binding ?? throw new ObjectDisposedException(nameof(HandlerLease));

    public void Dispose() => Interlocked.Exchange(ref _binding, null)?.Generation.ReturnLease();
}
