namespace PluginServer.Benchmarks;

/// <summary>What a load saw.</summary>
/// <param name="PerSecond">Round trips, or connections of a churn.</param>
/// <param name="P50">Microseconds.</param>
/// <param name="P99">Microseconds.</param>
/// <param name="P999">Microseconds.</param>
/// <param name="Errors">Refused, reset, or answered with a wrong byte.</param>
internal sealed record LoadResult(double PerSecond, double P50, double P99, double P999, long Errors);
